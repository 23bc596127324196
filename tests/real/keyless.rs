//! Keyless signing by real authorities: cosign 2 and 3 with a private Fulcio, Rekor v1 and v2, CT log and timestamp authority, and
//! what we and both cosigns make of it. It needs a sigstore that runs, which takes minutes to build: see `tests/keyless`.

mod bed;

use countersign::model::{Digest, PinnedImage, Repository};
use countersign::sandbox::authority::Stored;
use serde_json::Value;

use super::cosign::{Desk, Ran, Says, Version};
use super::registry::{IMAGE, Registry, small_image};
use super::stage::{Stage, TAG, Trusted, checks_out};
use Says::{Accepts, Blind, Refuses};
use bed::Bed;

const IDENTITY: &str = "https://gitlab.test/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2";
const JOB: &[(&str, &str)] = &[("project_path", "shop/api"), ("ref_type", "tag"), ("ref", "v1.8.2")];

/// Where the image lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    DockerRegistry,
    Referrers,
}

/// What is asked of all three.
#[derive(Clone, Copy)]
enum Ask {
    Signature,
    Provenance,
    /// A key of ours, with its log entry.
    Key,
    OtherIdentity,
    OtherIssuer,
}

struct Row {
    form: &'static str,
    by: Version,
    at: At,
    line: &'static str,
    /// Whether the log entry is replaced by one of the old kind.
    relogged: bool,
    ask: Ask,
    ours: i32,
    theirs: (Says, Says),
}

const fn row(form: &'static str, by: Version, line: &'static str, ask: Ask, theirs: (Says, Says)) -> Row {
    Row { form, by, at: At::DockerRegistry, line, relogged: false, ask, ours: 0, theirs }
}

impl Row {
    const fn refused(self) -> Self {
        Self { ours: 1, ..self }
    }
}

const SIGN_2: &str = "sign -y --fulcio-url {fulcio} --rekor-url {rekor} --oidc-issuer {oidc} --identity-token {token} {image}";
const STAMPED_2: &str = "sign -y --fulcio-url {fulcio} --rekor-url {rekor} --oidc-issuer {oidc} --identity-token {token} \
                         --timestamp-server-url {tsa} {image}";
const ATTEST_2: &str = "attest -y --fulcio-url {fulcio} --rekor-url {rekor} --oidc-issuer {oidc} --identity-token {token} \
                        --type slsaprovenance1 --predicate v1.json {image}";
const KEY_2: &str = "sign -y --key ours.key --rekor-url {rekor} {image}";
const SIGN_3: &str = "sign -y --signing-config {rekorv1} --trusted-root {root} --identity-token {token} {image}";
const SIGN_3_TILES: &str = "sign -y --signing-config {rekorv2} --trusted-root {root} --identity-token {token} {image}";
const ATTEST_3: &str = "attest -y --signing-config {rekorv1} --trusted-root {root} --identity-token {token} \
                        --type slsaprovenance1 --predicate v1.json {image}";
const ATTEST_3_TILES: &str = "attest -y --signing-config {rekorv2} --trusted-root {root} --identity-token {token} \
                              --type slsaprovenance1 --predicate v1.json {image}";
const KEY_3: &str = "sign -y --key ours.key --signing-config {rekorv1} --trusted-root {root} {image}";
const KEY_3_TILES: &str = "sign -y --key ours.key --signing-config {rekorv2} --trusted-root {root} {image}";

fn rows() -> Vec<Row> {
    use Ask::{Key, OtherIdentity, OtherIssuer, Provenance, Signature};
    use Version::{Three, Two};
    vec![
        row("signature, `.sig`, Rekor v1", Two, SIGN_2, Signature, (Accepts, Accepts)),
        row("signature, `.sig`, Rekor v1 and timestamp", Two, STAMPED_2, Signature, (Accepts, Accepts)),
        row("signature, bundle, Rekor v1", Three, SIGN_3, Signature, (Blind, Accepts)),
        row("signature, bundle, Rekor v2 and timestamp", Three, SIGN_3_TILES, Signature, (Blind, Accepts)),
        Row { at: At::Referrers, ..row("signature, bundle by referrers API, Rekor v1", Three, SIGN_3, Signature, (Blind, Accepts)) },
        Row { at: At::Referrers, ..row("signature, bundle by referrers API, Rekor v2", Three, SIGN_3_TILES, Signature, (Blind, Accepts)) },
        row("SLSA v1, `.att`, Rekor v1 (`dsse` 0.0.1)", Two, ATTEST_2, Provenance, (Accepts, Accepts)),
        Row { relogged: true, ..row("SLSA v1, `.att`, Rekor v1 (`intoto` 0.0.1)", Two, ATTEST_2, Provenance, (Accepts, Accepts)) },
        row("SLSA v1, bundle, Rekor v1", Three, ATTEST_3, Provenance, (Blind, Accepts)),
        row("SLSA v1, bundle, Rekor v2 and timestamp", Three, ATTEST_3_TILES, Provenance, (Blind, Accepts)),
        row("key with log, `.sig`, Rekor v1", Two, KEY_2, Key, (Accepts, Accepts)),
        row("key with log, bundle, Rekor v1", Three, KEY_3, Key, (Blind, Accepts)),
        row("key with log, bundle, Rekor v2", Three, KEY_3_TILES, Key, (Blind, Accepts)),
        row("another identity demanded, `.sig`", Two, SIGN_2, OtherIdentity, (Refuses, Refuses)).refused(),
        row("another identity demanded, bundle", Three, SIGN_3, OtherIdentity, (Blind, Refuses)).refused(),
        row("another issuer demanded, `.sig`", Two, SIGN_2, OtherIssuer, (Refuses, Refuses)).refused(),
        row("another issuer demanded, bundle", Three, SIGN_3_TILES, OtherIssuer, (Blind, Refuses)).refused(),
    ]
}

struct Bench {
    bed: Bed,
    registry: Registry,
    desk: Desk,
}

impl Bench {
    async fn open(bed: Bed) -> Self {
        let registry = Registry::open().await;
        let desk = Desk::new(&registry.docker_config());
        desk.key_pair(Version::Two, "ours");
        desk.put(
            "v1.json",
            r#"{"buildDefinition":{"buildType":"https://docs.gitlab.com/ci/jobs/","externalParameters":{}},
                "runDetails":{"builder":{"id":"https://gitlab.test/shop/api/-/runners/7"}}}"#,
        );
        Self { bed, registry, desk }
    }

    async fn image(&self, at: At, seed: &str) -> PinnedImage {
        let registry = match at {
            At::DockerRegistry => self.registry.host(),
            At::Referrers => self.bed.referrers.clone(),
        };
        let stored = small_image(seed);
        push(&self.bed.client, &registry, &stored, "latest").await;
        PinnedImage { repository: Repository { registry, path: IMAGE.into() }, digest: stored.digest() }
    }

    /// Runs a cosign line as the job with these claims.
    async fn cosign(&self, version: Version, line: &str, image: &PinnedImage, claims: &[(&str, &str)]) -> Ran {
        let bed = &self.bed;
        let token = if line.contains("{token}") { bed.token(claims).await } else { String::new() };
        let line = line
            .replace("{fulcio}", &bed.fulcio)
            .replace("{rekor}", &bed.rekor_v1)
            .replace("{oidc}", &bed.oidc)
            .replace("{tsa}", &bed.tsa)
            .replace("{root}", &bed.file("trusted_root.json"))
            .replace("{rekorv1}", &bed.file("sc-rekorv1.json"))
            .replace("{rekorv2}", &bed.file("sc-rekorv2.json"))
            .replace("{chain}", &bed.file("tsa-chain.pem"))
            .replace("{token}", &token)
            .replace("{image}", &image.to_string());
        let mut command = self.desk.command(version);
        if version == Version::Two {
            command.envs(bed.environment());
        }
        command.args(line.split_whitespace()).output().unwrap().into()
    }

    async fn ask(&self, version: Version, row: &Row, image: &PinnedImage) -> Ran {
        let (issuer, other) = (self.bed.oidc.as_str(), self.bed.oidc.replace("127.0.0.1", "localhost"));
        let identity = |identity: &str, issuer: &str| format!("--certificate-identity {identity} --certificate-oidc-issuer {issuer}");
        let verb = match row.ask {
            Ask::Signature => format!("verify {}", identity(IDENTITY, issuer)),
            Ask::Provenance => format!("verify-attestation --type slsaprovenance1 {}", identity(IDENTITY, issuer)),
            Ask::Key => "verify --key ours.pub".into(),
            Ask::OtherIdentity => format!("verify {}", identity(&IDENTITY.replace("1.8.2", "1.8.3"), issuer)),
            Ask::OtherIssuer => format!("verify {}", identity(IDENTITY, &other)),
        };
        let root = match version {
            Version::Two => "",
            Version::Three => "--trusted-root {root}",
        };
        self.cosign(version, &format!("{verb} {root} {{image}}"), image, &[]).await
    }

    fn inspect(&self, row: &Row, image: &PinnedImage) -> Ran {
        let (identity, issuer) = match row.ask {
            Ask::Signature | Ask::Provenance | Ask::Key => (IDENTITY.to_owned(), self.bed.oidc.clone()),
            Ask::OtherIdentity => (IDENTITY.replace("1.8.2", "1.8.3"), self.bed.oidc.clone()),
            Ask::OtherIssuer => (IDENTITY.to_owned(), self.bed.oidc.replace("127.0.0.1", "localhost")),
        };
        let mut command = self.desk.prepared(std::path::Path::new(env!("CARGO_BIN_EXE_countersign")));
        command.arg("inspect").arg(image.to_string()).args(["--trusted-root", &self.bed.file("trusted_root.json")]);
        match row.ask {
            Ask::Key => command.args(["--key", "ours.pub", "--require-log"]),
            Ask::Provenance => command.args(["--identity", &identity, "--issuer", &issuer, "--require", "provenance"]),
            Ask::Signature | Ask::OtherIdentity | Ask::OtherIssuer => command.args(["--identity", &identity, "--issuer", &issuer]),
        };
        command.output().unwrap().into()
    }

    /// Replaces the log entry of the image's one attestation by one of the kind `intoto` 0.0.1, made by the same log.
    async fn relog(&self, image: &PinnedImage) {
        let tag = format!("sha256-{}.att", image.digest.hex());
        let stored = self.registry.manifest(&tag).await.unwrap();
        let mut manifest: Value = serde_json::from_slice(&stored.manifest).unwrap();
        let layer = &mut manifest["layers"][0];
        let blob = format!("http://{}/v2/{IMAGE}/blobs/{}", image.repository.registry, layer["digest"].as_str().unwrap());
        let envelope = self.bed.client.get(blob).send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        let annotations = layer["annotations"].as_object_mut().unwrap();
        let certificate = annotations["dev.sigstore.cosign/certificate"].as_str().unwrap().to_owned();
        let entry = self.bed.log_as_intoto_v001(&envelope, &certificate).await;
        annotations.insert("dev.sigstore.cosign/bundle".into(), entry.into());
        let stored = Stored { media_type: stored.media_type, manifest: manifest.to_string().into_bytes(), blobs: vec![] };
        push(&self.bed.client, &image.repository.registry, &stored, &tag).await;
    }
}

/// Both registries are open, and one of them leaves out what oci-client wants to be told.
async fn push(client: &reqwest::Client, registry: &str, stored: &Stored, tag: &str) {
    let base: url::Url = format!("http://{registry}/v2/{IMAGE}/").parse().unwrap();
    for blob in &stored.blobs {
        let begun = client.post(base.join("blobs/uploads/").unwrap()).send().await.unwrap().error_for_status().unwrap();
        let mut upload = base.join(begun.headers()["location"].to_str().unwrap()).unwrap();
        upload.query_pairs_mut().append_pair("digest", &Digest::of(blob).to_string());
        client.put(upload).body(blob.clone()).send().await.unwrap().error_for_status().unwrap();
    }
    let put = client.put(base.join(&format!("manifests/{tag}")).unwrap()).header("content-type", stored.media_type);
    put.body(stored.manifest.clone()).send().await.unwrap().error_for_status().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_real_authorities_certify_is_judged_as_by_cosign() {
    let Some(bed) = Bed::open() else { return };
    let bench = Bench::open(bed).await;
    let mut text = String::from("\n| form | made by | registry | countersign inspect | cosign 2 | cosign 3 |\n|---|---|---|---|---|---|\n");
    let mut wrong = vec![];
    for (number, row) in rows().iter().enumerate() {
        let image = bench.image(row.at, &format!("row {number}: {} {:?}", row.form, std::time::SystemTime::now())).await;
        let made = bench.cosign(row.by, row.line, &image, JOB).await;
        assert_eq!(made.code, 0, "{}: {}", row.form, made.text);
        if row.relogged {
            bench.relog(&image).await;
        }
        let ours = bench.inspect(row, &image);
        if ours.code != row.ours {
            wrong.push(format!("{}: countersign ended with {}: {}", row.form, ours.code, ours.text));
        }
        let mut codes = vec![];
        for (version, expected) in [(Version::Two, row.theirs.0), (Version::Three, row.theirs.1)] {
            if expected == Blind {
                codes.push("–".to_owned());
                continue;
            }
            let ran = bench.ask(version, row, &image).await;
            if ran.says() != Some(expected) {
                wrong.push(format!("{}: cosign {version:?} ended with {}", row.form, ran.text));
            }
            codes.push(ran.code.to_string());
        }
        let registry = if row.at == At::Referrers { "OCI 1.1" } else { "open" };
        let by = if row.by == Version::Two { "cosign 2" } else { "cosign 3" };
        text += &format!("| {} | {by} | {registry} | {} | {} | {} |\n", row.form, ours.code, codes[0], codes[1]);
    }
    println!("{text}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The whole bot on a release that the project's pipeline signed at a real Fulcio, and on one that another pipeline did.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_certified_by_a_real_authority_passes_and_only_as_its_own_pipeline() {
    if Bed::open().is_none() {
        return;
    }
    for (version, line) in [(Version::Two, SIGN_2), (Version::Three, SIGN_3), (Version::Three, SIGN_3_TILES)] {
        let bench = Bench::open(Bed::open().unwrap()).await;
        let (root, issuer) = (bench.bed.trusted_root(), bench.bed.oidc.clone());
        let stage = Stage::open(Registry::open().await, Trusted::PipelineElsewhere { trusted_root: &root, issuer: &issuer }).await;
        let built = stage.build().await;
        let image = stage.registry.pinned(built.digest);
        let job = stage.shop.gitlab_job(built.job, TAG);
        let config = format!("{}/{}//.gitlab-ci.yml@{}", job.server.trim_start_matches("http://"), job.project, job.git_ref);
        let (project, namespace, id) = (job.project_id.to_string(), job.namespace_id.to_string(), job.job_id.to_string());
        let mut claims = vec![
            ("project_path", job.project.as_str()),
            ("project_id", &project),
            ("namespace_id", &namespace),
            ("ref_type", "tag"),
            ("ref", TAG),
            ("sha", &job.sha),
            ("job_id", &id),
            ("pipeline_source", &job.pipeline_source),
            ("ci_config_ref_uri", &config),
            ("ci_config_sha", &job.sha),
        ];
        // First by a pipeline of a branch.
        let branch = config.replace("refs/tags/v1.8.2", "refs/heads/main");
        let mut of_branch = claims.clone();
        (of_branch[3].1, of_branch[4].1, of_branch[8].1) = ("branch", "main", &branch);
        let made = bench.cosign(version, line, &image, &of_branch).await;
        assert_eq!(made.code, 0, "{}", made.text);
        stage.publish();
        stage.finish(&built);
        stage.blocked("CS-SIG-OTHER").await;
        // Then by the release job.
        claims.push(("pipeline_id", "1"));
        let made = bench.cosign(version, line, &image, &claims).await;
        assert_eq!(made.code, 0, "{}", made.text);
        stage.shop.gitlab.world().update_release(stage.shop.project, TAG, Some("1.8.2, signed"), None);
        let written = stage.passed(&built).await;
        let signed_by = written.note.lines().find(|line| line.starts_with("| Signed by | GitLab OIDC, ")).unwrap();
        println!("the bot, after cosign {version:?}: {signed_by}");
        if version == Version::Three {
            bench.desk.put("trusted_root.json", &root);
            checks_out(&bench.desk, &written.note);
        }
        stage.stop().await;
    }
}
