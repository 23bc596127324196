//! A private sigstore that runs: Fulcio, Rekor v1 and v2, a CT log, a timestamp authority, GitLab-shaped OIDC issuers.

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::Value;

/// Where it is, as its own files tell.
pub struct Bed {
    folder: PathBuf,
    pub fulcio: String,
    pub rekor_v1: String,
    pub oidc: String,
    pub tsa: String,
    /// A registry with the referrers API of OCI 1.1.
    pub referrers: String,
    pub client: reqwest::Client,
}

impl Bed {
    /// The one that `COUNTERSIGN_TESTBED` names. Without it nothing can be said, loudly: `tests/keyless` builds one.
    pub fn open() -> Option<Self> {
        let Some(folder) = std::env::var_os("COUNTERSIGN_TESTBED").map(PathBuf::from) else {
            let _ = writeln!(std::io::stderr(), "NOT RUN: keyless signing by real authorities; tests/keyless builds them and runs this");
            return None;
        };
        let folder = folder.join("keyless");
        let read = |file: &str| -> Value { serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap() };
        let (config, root) = (read("sc-rekorv1.json"), read("trusted_root.json"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let oidc = text(&config["oidcUrls"][0]["url"]);
        // The bed shifts all its ports by one number.
        let shift = oidc.rsplit(':').next().unwrap().parse::<u16>().unwrap() - 8180;
        Some(Self {
            fulcio: text(&config["caUrls"][0]["url"]),
            rekor_v1: text(&root["tlogs"][0]["baseUrl"]),
            tsa: text(&config["tsaUrls"][0]["url"]),
            referrers: format!("127.0.0.1:{}", 5004 + shift),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            oidc,
            folder,
        })
    }

    /// One of its files.
    pub fn file(&self, name: &str) -> String {
        let path = self.folder.join(name);
        assert!(path.is_file(), "{} is missing", path.display());
        path.to_str().unwrap().to_owned()
    }

    pub fn trusted_root(&self) -> Vec<u8> {
        std::fs::read(self.file("trusted_root.json")).unwrap()
    }

    /// What tells cosign 2 whom to believe.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("SIGSTORE_ROOT_FILE", self.file("fulcio-chain.pem")),
            ("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", self.file("ctfe.pub")),
            ("SIGSTORE_REKOR_PUBLIC_KEY", self.file("rekor.pub")),
            ("SIGSTORE_TSA_CERTIFICATE_FILE", self.file("tsa-chain.pem")),
        ]
    }

    /// An ID token of the GitLab-shaped issuer, for a job with these claims.
    pub async fn token(&self, claims: &[(&str, &str)]) -> String {
        let mut url: url::Url = format!("{}/mint", self.oidc).parse().unwrap();
        url.query_pairs_mut().extend_pairs(claims);
        self.client.get(url).send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
    }

    /// Puts an attestation into the Rekor v1 log as the kind that cosign wrote before 2.2, and gives the annotation that proves it.
    pub async fn log_as_intoto_v001(&self, envelope: &str, certificate_pem: &str) -> String {
        use base64::Engine as _;
        use base64::prelude::BASE64_STANDARD;
        let entry = serde_json::json!({"kind": "intoto", "apiVersion": "0.0.1", "spec": {
            "content": {"envelope": envelope}, "publicKey": BASE64_STANDARD.encode(certificate_pem),
        }});
        let answer = self.client.post(format!("{}/api/v1/log/entries", self.rekor_v1)).json(&entry).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 201, "{text}");
        let entries: Value = serde_json::from_str(&text).unwrap();
        let entry = entries.as_object().unwrap().values().next().unwrap();
        let payload = serde_json::json!({
            "body": entry["body"], "integratedTime": entry["integratedTime"], "logIndex": entry["logIndex"], "logID": entry["logID"],
        });
        serde_json::json!({"SignedEntryTimestamp": entry["verification"]["signedEntryTimestamp"], "Payload": payload}).to_string()
    }
}
