//! A GitLab and a registry whose certificates are by an authority that only the operator's file names.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use countersign::facts::trust_root::{Roots, Source, tuf};
use countersign::model::Timestamp;
use countersign::model::gitlab::InstanceName;
use countersign::sandbox::authority::{Authority as Sigstore, TufRepository};
use countersign::sandbox::shop::{Shop, Signing};
use countersign::verdict::Looked;
use jiff::SignedDuration;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const TAG: &str = "v1.8.2";

/// A certificate authority of nobody else's.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// Serves TLS for `localhost` in front of an address, and gives its port.
    async fn in_front_of(&self, address: SocketAddr) -> u16 {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Whoever does not believe the certificate leaves; that is their matter.
                    let Ok(mut inside) = acceptor.accept(stream).await else { return };
                    let mut behind = TcpStream::connect(address).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut behind).await;
                });
            }
        });
        port
    }
}

/// A released and signed image of a shop that is reached through TLS, and where its bot's configuration lies.
struct World {
    shop: Shop,
    folder: tempfile::TempDir,
    registry: String,
}

impl World {
    /// `believed` is what the operator's file holds.
    async fn open(authority: &Authority, gitlab_ca: &str, registry_ca: &str) -> Self {
        let shop = Shop::open(Signing::BundleKey, None).await.unwrap();
        shop.release(TAG).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = shop.write_configuration(folder.path()).unwrap();
        let gitlab_address = shop.gitlab.url().trim_start_matches("http://").parse().unwrap();
        let gitlab = format!("https://localhost:{}", authority.in_front_of(gitlab_address).await);
        let registry = format!("localhost:{}", authority.in_front_of(shop.registry.host().parse().unwrap()).await);
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace(shop.gitlab.url(), &gitlab).replace(&shop.registry.host(), &registry);
        let text = text.replace("plain_http = true\n", registry_ca).replace("[registry.", &format!("{gitlab_ca}\n[registry."));
        std::fs::write(file, text).unwrap();
        std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
        std::fs::write(folder.path().join("other.pem"), Authority::new().pem).unwrap();
        Self { shop, folder, registry }
    }

    /// Exit code and words of `countersign verify`.
    async fn verify(&self) -> (i32, String) {
        let image = format!("{}/shop/api:{TAG}", self.registry);
        self.say(&["verify", &image, "--project", "shop/api", "--config", "bot.toml"], None).await
    }

    /// The same of any command, on a machine that knows the authorities of this file.
    async fn say(&self, arguments: &[&str], machine_knows: Option<&str>) -> (i32, String) {
        let folder = self.folder.path().to_owned();
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        // The machine's own authorities are whatever they are; none of them signed these certificates.
        command.current_dir(&folder).args(arguments).env_remove("DOCKER_CONFIG").env("HOME", &folder).env("NO_PROXY", "localhost");
        match machine_knows {
            Some(file) => command.env("SSL_CERT_FILE", folder.join(file)),
            None => command.env_remove("SSL_CERT_FILE"),
        };
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), said)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_in_the_operators_file_is_believed_and_no_other() {
    const OURS: &str = "ca_file = \"ca.pem\"\n";
    const OTHERS: &str = "ca_file = \"other.pem\"\n";
    let authority = Authority::new();
    for (gitlab, registry, exit) in [(OURS, OURS, 0), ("", OURS, 3), (OURS, "", 3), (OTHERS, OURS, 3), (OURS, OTHERS, 3)] {
        let world = World::open(&authority, gitlab, registry).await;
        let (code, said) = world.verify().await;
        assert_eq!(code, exit, "GitLab {gitlab:?}, registry {registry:?}: {said}");
        let reached = world.shop.gitlab.requests().len();
        match exit {
            0 => assert!(said.starts_with("passed: "), "{said}"),
            _ => assert!(said.contains("could not check: ") && said.contains("[CS-UNAVAILABLE]"), "{said}"),
        }
        // A token is not sent to whoever is not believed.
        assert_eq!(reached > 0, gitlab == OURS, "{reached} requests");
    }
}

/// Without a `ca_file` whoever the machine believes is believed. `inspect`, which has no bot.toml, connects in the same way.
#[tokio::test(flavor = "multi_thread")]
async fn whom_the_machine_believes_is_believed() {
    let authority = Authority::new();
    let world = World::open(&authority, "", "").await;
    let image = format!("{}/shop/api:{TAG}", world.registry);
    for (file, exit) in [(Some("ca.pem"), 0), (Some("other.pem"), 3), (None, 3)] {
        let (code, said) = world.say(&["verify", &image, "--project", "shop/api", "--config", "bot.toml"], file).await;
        assert_eq!(code, exit, "{file:?}: {said}");
    }
}

/// The connection to a TUF repository; what comes through it is believed for its signatures alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_trust_root_is_fetched_from_a_server_by_an_authority_of_the_operators_file() {
    let (authority, repository) = (Authority::new(), TufRepository::start().await.unwrap());
    let now = Timestamp::now();
    let root = Sigstore::new(now).unwrap().trusted_root_json();
    repository.publish(&root, now + SignedDuration::from_hours(1)).unwrap();
    let port = authority.in_front_of(repository.url().trim_start_matches("http://").trim_end_matches('/').parse().unwrap()).await;
    for (ca_pem, believed) in [(Some(authority.pem.clone()), true), (Some(Authority::new().pem), false), (None, false)] {
        let folder = tempfile::tempdir().unwrap();
        let settings = tuf::Settings {
            url: format!("https://localhost:{port}").parse().unwrap(),
            root: repository.root_json().to_vec(),
            ca_pem,
            cache: folder.path().join("cache"),
            max_age: SignedDuration::from_hours(24),
        };
        let name = InstanceName("main".into());
        let roots = Roots::open(&[(name.clone(), Source::Tuf(settings))].into(), now).unwrap();
        roots.refresh(now).await;
        assert_eq!(matches!(roots.get(&name, now), Looked::Found(_)), believed);
    }
}
