//! What cosign 2 and 3 write, as `countersign inspect` and both cosigns judge it: one table, printed as Markdown.
//!
//! Where a form is a version's own, that version must agree with us. Where we refuse what it accepts, the row says why.

mod bench;

use super::cosign::{Ran, Says};
use Says::{Accepts, Blind, Refuses};
use bench::{Access, Bench, Run};

/// What the image is, and which part of it is asked about.
#[derive(Clone, Copy)]
enum Of {
    Image,
    /// An index of two platforms.
    Index,
    /// The first of those platforms, by its own digest.
    Platform,
}

/// What happens between signing and asking.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    /// What lies beside it is removed: tags that end so.
    Remove(&'static str),
    /// What lies beside it is laid beside another image, which is asked about.
    Copy(&'static str),
}

/// What makes the signature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Two,
    Three,
    /// The sandbox's, which has a log; cosign writes to none without a network.
    Authority,
}

use By::{Authority, Three, Two};

struct Row {
    form: &'static str,
    by: By,
    access: &'static [Access],
    of: Of,
    /// Command lines of `by`; `{image}` is the image by digest. The authority's are in [`bench`].
    signs: &'static [&'static str],
    then: Then,
    /// Flags of `countersign inspect`, and the exit code.
    ours: (&'static str, i32),
    /// The verb and flags of cosign, and what versions 2 and 3 say.
    theirs: (&'static str, Says, Says),
    why: &'static str,
}

const OPEN: &[Access] = &[Access::Open];
const ALL: &[Access] = &[Access::Open, Access::Passwords, Access::Tokens];
const API: &[Access] = &[Access::Referrers];

const KEY: &str = "--key ours.pub";
const VERIFY: &str = "verify --key ours.pub --insecure-ignore-tlog=true";
const SIGN_2: &str = "sign -y --key ours.key --tlog-upload=false {image}";
const SIGN_3: &str = "sign -y --key ours.key --signing-config signing-config.json {image}";
const SIGN_3_LEGACY: &str = "sign -y --key ours.key --new-bundle-format=false --use-signing-config=false --tlog-upload=false {image}";

/// A signature that verifies, in one form.
const fn signed(form: &'static str, by: By, signs: &'static [&'static str], says: (Says, Says)) -> Row {
    Row { form, by, access: OPEN, of: Of::Image, signs, then: Then::Nothing, ours: (KEY, 0), theirs: (VERIFY, says.0, says.1), why: "" }
}

impl Row {
    const fn at(self, access: &'static [Access]) -> Self {
        Self { access, ..self }
    }

    const fn of(self, of: Of) -> Self {
        Self { of, ..self }
    }

    const fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    const fn asks(self, ours: &'static str, theirs: &'static str) -> Self {
        Self { ours: (ours, self.ours.1), theirs: (theirs, self.theirs.1, self.theirs.2), ..self }
    }

    const fn refused(self) -> Self {
        Self { ours: (self.ours.0, 1), ..self }
    }

    const fn because(self, why: &'static str) -> Self {
        Self { why, ..self }
    }
}

const BUNDLES_UNSEEN: &str = "cosign 2 never looks for signature bundles";

fn signatures() -> Vec<Row> {
    vec![
        signed("key, no log, `.sig`", Two, &[SIGN_2], (Accepts, Accepts)).at(ALL),
        signed("key, no log, `.sig`", Three, &[SIGN_3_LEGACY], (Accepts, Accepts)).at(ALL),
        signed("key, no log, bundle by fallback tag", Three, &[SIGN_3], (Blind, Accepts)).at(ALL).because(BUNDLES_UNSEEN),
        signed("key, no log, bundle by referrers API", Three, &[SIGN_3], (Blind, Accepts)).at(API).because(BUNDLES_UNSEEN),
        signed("key, no log, `.sig`, beside a referrers API", Two, &[SIGN_2], (Accepts, Accepts)).at(API),
        signed(
            "two keys in one `.sig`, the second asked for",
            Two,
            &["sign -y --key theirs.key --tlog-upload=false {image}", SIGN_2],
            (Accepts, Accepts),
        ),
        signed(
            "two bundles, the second asked for",
            Three,
            &["sign -y --key theirs.key --signing-config signing-config.json {image}", SIGN_3],
            (Blind, Accepts),
        ),
        signed("another key, `.sig`", Two, &["sign -y --key theirs.key --tlog-upload=false {image}"], (Refuses, Refuses)).refused(),
        signed("another key, bundle", Three, &["sign -y --key theirs.key --signing-config signing-config.json {image}"], (Blind, Refuses))
            .refused(),
        signed("nothing", Two, &[], (Refuses, Refuses)).refused(),
        signed("`.sig` copied onto another digest", Two, &[SIGN_2], (Refuses, Refuses)).then(Then::Copy(".sig")).refused(),
        signed("bundle copied onto another digest", Three, &[SIGN_3], (Blind, Refuses)).then(Then::Copy("")).refused(),
        signed("`.sig` removed", Two, &[SIGN_2], (Refuses, Refuses)).then(Then::Remove(".sig")).refused(),
        signed("bundle removed", Three, &[SIGN_3], (Refuses, Refuses)).then(Then::Remove("")).refused(),
    ]
}

/// Keys with a transparency log, whose entry is demanded.
fn logged() -> Vec<Row> {
    const OURS: &str = "--key logged.pub --require-log --trusted-root trusted_root.json";
    const THEIRS: &str = "verify --key logged.pub --trusted-root trusted_root.json --offline=true";
    vec![
        signed("key with log, `.sig`", Authority, &["sig"], (Blind, Accepts)).asks(OURS, THEIRS),
        signed("key with log, bundle", Authority, &["bundle"], (Blind, Accepts)).asks(OURS, THEIRS),
        signed("key with the log entry of another signature, `.sig`", Authority, &["sig with another's entry"], (Blind, Refuses))
            .asks(OURS, THEIRS)
            .refused(),
        signed("key with another log, bundle", Authority, &["bundle in another log"], (Blind, Refuses)).asks(OURS, THEIRS).refused(),
        signed("key without a log, bundle", Authority, &["bundle without a log"], (Blind, Refuses)).asks(OURS, THEIRS).refused(),
    ]
}

fn annotations() -> Vec<Row> {
    const WITH_2: &[&str] = &["sign -y --key ours.key --tlog-upload=false -a env=prod -a ref=main {image}"];
    const WITH_3: &[&str] = &["sign -y --key ours.key --signing-config signing-config.json -a env=prod -a ref=main {image}"];
    const OURS: &str = "--key ours.pub --annotation env=prod --annotation ref=main";
    const THEIRS: &str = "verify --key ours.pub --insecure-ignore-tlog=true -a env=prod -a ref=main";
    const WRONG: (&str, &str) = ("--key ours.pub --annotation env=test", "verify --key ours.pub --insecure-ignore-tlog=true -a env=test");
    vec![
        signed("annotations, `.sig`", Two, WITH_2, (Accepts, Accepts)).at(ALL).asks(OURS, THEIRS),
        signed("annotations, bundle", Three, WITH_3, (Blind, Accepts)).at(ALL).asks(OURS, THEIRS),
        signed("another annotation demanded, `.sig`", Two, WITH_2, (Refuses, Refuses)).asks(WRONG.0, WRONG.1).refused(),
        signed("another annotation demanded, bundle", Three, WITH_3, (Blind, Refuses)).asks(WRONG.0, WRONG.1).refused(),
        signed("an annotation demanded and none there", Two, &[SIGN_2], (Refuses, Refuses)).asks(WRONG.0, WRONG.1).refused(),
    ]
}

fn indexes() -> Vec<Row> {
    const RECURSIVE_2: &[&str] = &["sign -y --key ours.key --tlog-upload=false --recursive {image}"];
    const RECURSIVE_3: &[&str] = &["sign -y --key ours.key --signing-config signing-config.json --recursive {image}"];
    vec![
        signed("index, recursive, `.sig`", Two, RECURSIVE_2, (Accepts, Accepts)).of(Of::Index).at(ALL),
        signed("platform of a recursive index, `.sig`", Two, RECURSIVE_2, (Accepts, Accepts)).of(Of::Platform),
        signed("index, recursive, bundle", Three, RECURSIVE_3, (Blind, Accepts)).of(Of::Index).at(ALL),
        signed("platform of a recursive index, bundle", Three, RECURSIVE_3, (Blind, Accepts)).of(Of::Platform),
        signed("index alone, `.sig`", Two, &[SIGN_2], (Accepts, Accepts)).of(Of::Index),
        signed("platform of an index signed alone, `.sig`", Two, &[SIGN_2], (Refuses, Refuses)).of(Of::Platform).refused(),
        signed("platform of an index signed alone, bundle", Three, &[SIGN_3], (Blind, Refuses)).of(Of::Platform).refused(),
    ]
}

fn attestations() -> Vec<Row> {
    macro_rules! attest {
        ($type:literal, $predicate:literal) => {
            (
                concat!("attest -y --key ours.key --tlog-upload=false --type ", $type, " --predicate ", $predicate, " {image}"),
                concat!("attest -y --key ours.key --tlog-upload=false --new-bundle-format --type ", $type, " --predicate ", $predicate, " {image}"),
                concat!("attest -y --key ours.key --signing-config signing-config.json --type ", $type, " --predicate ", $predicate, " {image}"),
                concat!("--key ours.pub --require ", $type),
                concat!("verify-attestation --key ours.pub --insecure-ignore-tlog=true --type ", $type),
                concat!("verify-attestation --new-bundle-format --trusted-root trusted_root.json --key ours.pub --insecure-ignore-tlog=true --type ", $type),
            )
        };
    }
    const V02: (&str, &str, &str, &str, &str, &str) = attest!("slsaprovenance02", "v02.json");
    const SHORT: (&str, &str, &str, &str, &str, &str) = attest!("slsaprovenance", "v02.json");
    const V1: (&str, &str, &str, &str, &str, &str) = attest!("slsaprovenance1", "v1.json");
    vec![
        signed("SLSA v0.2 (`slsaprovenance02`), `.att`", Two, &[V02.0], (Accepts, Accepts)).at(ALL).asks(V02.3, V02.4),
        signed("SLSA v0.2 (`slsaprovenance`), `.att`", Two, &[SHORT.0], (Accepts, Accepts)).asks(SHORT.3, SHORT.4),
        signed("SLSA v1 (`slsaprovenance1`), `.att`", Two, &[V1.0], (Accepts, Accepts)).at(ALL).asks(V1.3, V1.4),
        signed("SLSA v0.2, bundle", Two, &[V02.1], (Accepts, Blind)).asks(V02.3, V02.5),
        signed("SLSA v1, bundle", Two, &[V1.1], (Accepts, Blind)).asks(V1.3, V1.5),
        signed("SLSA v1, bundle of cosign 2", Two, &[V1.1], (Blind, Accepts)).asks(V1.3, V1.4),
        signed("SLSA v0.2 (`slsaprovenance02`), bundle", Three, &[V02.2], (Blind, Accepts)).at(ALL).asks(V02.3, V02.4),
        signed("SLSA v0.2 (`slsaprovenance`), bundle", Three, &[SHORT.2], (Blind, Accepts)).asks(SHORT.3, SHORT.4),
        signed("SLSA v1 (`slsaprovenance1`), bundle", Three, &[V1.2], (Blind, Accepts)).at(ALL).asks(V1.3, V1.4),
        signed("SLSA v1, bundle by referrers API", Three, &[V1.2], (Blind, Accepts)).at(API).asks(V1.3, V1.4),
        signed("signature and SLSA v1, both asked for", Three, &[SIGN_3, V1.2], (Blind, Accepts))
            .asks("--key ours.pub --require signature --require provenance", V1.4),
        signed("SLSA v1 asked for, v0.2 there, `.att`", Two, &[V02.0], (Refuses, Refuses)).asks(V1.3, V1.4).refused(),
        signed("SLSA v1 asked for, v0.2 there, bundle", Three, &[V02.2], (Blind, Refuses)).asks(V1.3, V1.4).refused(),
        signed("`.att` copied onto another digest", Two, &[V1.0], (Refuses, Refuses)).then(Then::Copy(".att")).asks(V1.3, V1.4).refused(),
        signed("`.att` removed", Two, &[V1.0], (Refuses, Refuses)).then(Then::Remove(".att")).asks(V1.3, V1.4).refused(),
        signed("attested, not signed, `.att`", Two, &[V1.0], (Refuses, Refuses)).refused(),
        signed("attested, not signed, bundle", Three, &[V1.2], (Blind, Accepts))
            .refused()
            .because("stricter: cosign 3 takes any statement about the image for a signature"),
    ]
}

/// Curves and algorithms beside P-256, in keys that cosign imported.
fn keys() -> Vec<Row> {
    macro_rules! key {
        ($name:literal) => {
            (
                concat!("sign -y --key ", $name, ".key --tlog-upload=false {image}"),
                concat!("sign -y --key ", $name, ".key --signing-config signing-config.json {image}"),
                concat!("--key ", $name, ".pub"),
                concat!("verify --insecure-ignore-tlog=true --key ", $name, ".pub"),
            )
        };
    }
    const P384: (&str, &str, &str, &str) = key!("p384");
    const P521: (&str, &str, &str, &str) = key!("p521");
    const RSA: (&str, &str, &str, &str) = key!("rsa");
    const ED25519: (&str, &str, &str, &str) = key!("ed25519");
    const OWN_HASH: &str = "cosign 3 cannot verify its own bundle of this curve without a hidden flag (cosign#5091)";
    vec![
        signed("P-384, `.sig`", Two, &[P384.0], (Accepts, Accepts)).asks(P384.2, P384.3),
        signed("P-521, `.sig`", Two, &[P521.0], (Accepts, Accepts)).asks(P521.2, P521.3),
        signed("RSA, `.sig`", Two, &[RSA.0], (Accepts, Accepts)).asks(RSA.2, RSA.3),
        signed("Ed25519, `.sig`", Two, &[ED25519.0], (Accepts, Accepts)).asks(ED25519.2, ED25519.3),
        signed("P-384, bundle", Three, &[P384.1], (Blind, Refuses)).asks(P384.2, P384.3).because(OWN_HASH),
        signed("P-521, bundle", Three, &[P521.1], (Blind, Refuses)).asks(P521.2, P521.3).because(OWN_HASH),
        signed("RSA, bundle", Three, &[RSA.1], (Blind, Accepts)).asks(RSA.2, RSA.3),
        Row { ours: (ED25519.2, 3), ..signed("Ed25519, bundle", Three, &[ED25519.1], (Blind, Refuses)).asks(ED25519.2, ED25519.3) }
            .because("Ed25519ph, which neither cosign nor our libraries verify"),
    ]
}

/// Whether a row's verdicts are as they should be, and whether a difference is explained.
fn judge(row: &Row, run: &Run) -> Option<String> {
    let mut wrong = vec![];
    if run.ours.code != row.ours.1 {
        wrong.push(format!("countersign ended with {}, not {}: {}", run.ours.code, row.ours.1, run.ours.text));
    }
    for (name, expected, ran) in [("cosign 2", row.theirs.1, &run.two), ("cosign 3", row.theirs.2, &run.three)] {
        let Some(ran) = ran else { continue };
        if ran.says() != Some(expected) {
            wrong.push(format!("{name} ended with {}: {}", ran.code, ran.text));
        }
        if (expected == Accepts) != (row.ours.1 == 0) && row.why.is_empty() {
            wrong.push(format!("{name} and we differ, and the row does not say why"));
        }
    }
    (!wrong.is_empty()).then(|| wrong.join("\n"))
}

fn code(ran: Option<&Ran>) -> String {
    ran.map_or_else(|| "–".into(), |ran| ran.code.to_string())
}

async fn table(rows: Vec<Row>, imports: bool) {
    let mut wrong = vec![];
    let mut text =
        String::from("\n| form | made by | registry | countersign inspect | cosign 2 | cosign 3 | |\n|---|---|---|---|---|---|---|\n");
    for access in [Access::Open, Access::Passwords, Access::Tokens, Access::Referrers] {
        let here: Vec<_> = rows.iter().enumerate().filter(|(_, row)| row.access.contains(&access)).collect();
        if here.is_empty() {
            continue;
        }
        let bench = Bench::open(access).await;
        if imports {
            bench.import_keys();
        }
        for (number, row) in here {
            let run = bench.run(row, number).await;
            let codes = (run.ours.code, code(run.two.as_ref()), code(run.three.as_ref()));
            let by = match row.by {
                Two => "cosign 2",
                Three => "cosign 3",
                Authority => "the sandbox's authority",
            };
            let by = if row.signs.is_empty() { "–" } else { by };
            text += &format!("| {} | {by} | {} | {} | {} | {} | {} |\n", row.form, access.name(), codes.0, codes.1, codes.2, row.why);
            wrong.extend(judge(row, &run).map(|what| format!("{} by {by} on {}: {what}", row.form, access.name())));
        }
    }
    println!("{text}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_judged_as_by_cosign() {
    table(signatures(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logged_signatures_are_judged_as_by_cosign() {
    table(logged(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_are_judged_as_by_cosign() {
    table(annotations(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_judged_as_by_cosign() {
    table(indexes(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attestations_are_judged_as_by_cosign() {
    table(attestations(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_is_judged_as_by_cosign() {
    table(keys(), true).await;
}
