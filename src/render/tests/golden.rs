use std::path::Path;

use super::world::*;
use crate::commands::{Said, parse};
use crate::model::gitlab::MergeRequestIid;
use crate::render::*;
use crate::verdict::{About, Check, CheckOutcome, Outcome, Problem, Verdict};

const MR: MergeRequestIid = MergeRequestIid(412);

pub(super) fn words() -> Words {
    Words::new().unwrap()
}

/// Holds an output against its file.
pub(super) fn check(name: &str, output: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/words").join(name);
    if std::env::var_os("UPDATE_WORDS").is_some() {
        std::fs::write(&path, output).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}; UPDATE_WORDS=1 writes it"));
    assert!(expected == output, "{name} differs:\n{output}\n--- expected\n{expected}");
    assert!(!output.contains("could not put its answer into words"), "{name}: a template and its values do not fit");
    assert!(!output.lines().any(|line| line.trim_start().starts_with('/')), "{name}: a line begins with a slash");
    assert!(!output.contains("{{") && !output.contains("[object]"), "{name}");
}

fn usual(make: fn(&Outside) -> Verdict) -> Vec<Verdict> {
    vec![make(&Outside::usual())]
}

fn passed_keyless(outside: &Outside) -> Verdict {
    let mut verdict = passed(outside);
    verdict.subject.signer = Some(keyless(outside));
    verdict
}

fn passed_with_warning(outside: &Outside) -> Verdict {
    let mut verdict = passed(outside);
    let missing = Problem::TagMissing { tag: "a1b2c3d4".into(), repository: "registry.example.com/shop/api".into() };
    let warned = verdict.findings.iter_mut().find(|f| f.check == Check::CommitTag).unwrap();
    *warned = finding(Check::CommitTag, CheckOutcome::Warned, ("a1b2c3d4", "none"), Some(missing));
    verdict
}

fn passed_with_annotated_base(outside: &Outside) -> Verdict {
    let mut verdict = passed(outside);
    let base = base(outside, b"base", crate::model::attestation::BaseToldBy::Annotation);
    let previous = crate::model::attestation::PreviousBase { release: "v1.8.1".into(), base: base.clone() };
    verdict.subject.base_image = Some(crate::model::attestation::BaseSeen { base, previous: Some(previous) });
    verdict
}

/// A second image of the same project.
fn worker(mut verdict: Verdict) -> Verdict {
    let repository: crate::model::Repository = "registry.example.com/shop/worker".parse().unwrap();
    verdict.subject.question.image.repository = repository.clone();
    if let Some(image) = &mut verdict.image {
        image.repository = repository;
    }
    verdict
}

fn two_images() -> Vec<Verdict> {
    vec![passed(&Outside::usual()), worker(tag_moved(&Outside::usual()))]
}

#[test]
fn sticky_notes_read_well() {
    let note = |verdicts: &[Verdict], audience| words().sticky_note(MR, verdicts, audience, &[]);
    check("sticky-passed.md", &note(&usual(passed), Audience::Members));
    check("sticky-passed-keyless.md", &note(&usual(passed_keyless), Audience::Members));
    check("sticky-passed-public.md", &note(&usual(passed_keyless), Audience::Everyone));
    check("sticky-passed-with-warning.md", &note(&usual(passed_with_warning), Audience::Members));
    check("sticky-passed-attested.md", &note(&usual(attested), Audience::Members));
    check("sticky-passed-annotated-base.md", &note(&usual(passed_with_annotated_base), Audience::Everyone));
    check("sticky-passed-platforms.md", &note(&usual(multi_arch), Audience::Members));
    check("sticky-blocked.md", &note(&usual(tag_moved), Audience::Members));
    check("sticky-could-not-check.md", &note(&usual(unreachable), Audience::Members));
    check("sticky-waiting.md", &note(&usual(not_ended), Audience::Members));
    check("sticky-two-images.md", &note(&two_images(), Audience::Members));
}

#[test]
fn replies_read_well() {
    let reply = |verdicts: &[Verdict]| words().reply(MR, verdicts, Audience::Members);
    check("reply-passed.md", &reply(&usual(passed)));
    check("reply-blocked.md", &reply(&usual(tag_moved)));
    check("reply-could-not-check.md", &reply(&usual(unreachable)));
    check("reply-waiting.md", &reply(&usual(not_ended)));
    check("reply-two-images.md", &reply(&two_images()));
    let asked = |about| {
        let mut verdict = passed(&Outside::usual());
        verdict.subject.question.about = about;
        reply(&[verdict])
    };
    check("reply-passed-digest.md", &asked(About::Image { digest: digest(), tag: None }));
    check("reply-passed-pipeline.md", &asked(About::Pipeline { id: crate::model::gitlab::PipelineId(88_213) }));
}

#[test]
fn release_sections_read_well() {
    let section = |verdicts: &[Verdict]| words().release_section(verdicts, &[]);
    check("release-passed.md", &section(&usual(passed)));
    check("release-passed-keyless.md", &section(&usual(passed_keyless)));
    check("release-passed-attested.md", &section(&usual(attested)));
    check("release-blocked.md", &section(&usual(tag_moved)));
    check("release-could-not-check.md", &section(&usual(unreachable)));
    check("release-waiting.md", &section(&usual(not_ended)));
    check("release-two-images.md", &section(&two_images()));
}

#[test]
fn a_later_look_that_saw_the_same_changes_nothing() {
    let early = passed(&Outside::usual());
    let mut late = early.clone();
    late.as_of = "2027-01-01T00:00:00Z".parse().unwrap();
    let of = |verdict: &Verdict| {
        let verdicts = std::slice::from_ref(verdict);
        let words = words();
        (words.release_section(verdicts, &[]), words.sticky_note(MR, verdicts, Audience::Members, &[]), words.status_description(verdicts))
    };
    assert_eq!(of(&early), of(&late));
}

#[test]
fn chat_answers_read_well() {
    let words = words();
    check("help.md", &words.help("project_7_bot_a1"));
    check("unknown.md", &words.unknown("project_7_bot_a1", "thanks", None));
    check("unknown-near.md", &words.unknown("project_7_bot_a1", "verfiy", Some("verify")));
    let [Said::Usage { verb, usage }] = parse("/verify sha256:4be1", "bot")[..] else { panic!("not a usage") };
    check("usage.md", &words.usage(verb, usage));
    let missing = [
        NotFound::Name("v9.9.9".into()),
        NotFound::Digest(digest()),
        NotFound::Environment("production".into()),
        NotFound::Pipeline,
        NotFound::Release,
    ];
    let all: Vec<_> = missing.iter().map(|missing| words.not_found(missing)).collect();
    check("not-found.md", &all.join("\n---\n\n"));
}

#[test]
fn every_problem_is_explained() {
    let words = words();
    let outside = Outside::usual();
    let problems = problems(&outside);
    let mut text = String::new();
    for problem in &problems {
        let said = words.explain(problem, &subject(&outside));
        assert!(CODES.iter().any(|page| page.code == said.code), "{} has no page", said.code);
        assert!(!said.headline.plain().contains(['`', '[']), "{}", said.headline.plain());
        assert!(said.next_step.markdown().ends_with('.') && !said.next_step.markdown().contains('\n'), "{problem:?}");
        text.push_str(&format!(
            "### {} {}\n\n{}\n\n**What to do:** {}\n\n",
            said.code,
            said.title,
            said.headline.markdown(),
            said.next_step.markdown()
        ));
        text.push_str(&format!("> {}\n> {}\n\n", said.headline.plain(), said.next_step.plain()));
    }
    check("problems.md", &text);
    let bars = super::promotion::bars(&outside);
    for page in CODES {
        let is_said = problems.iter().map(Problem::code).chain(bars.iter().map(|bar| bar.code())).any(|code| code == page.code);
        assert!(is_said, "{} is no code any more", page.code);
    }
}

/// The README has one paragraph a code; it is written from the same table as every message.
#[test]
fn the_readme_has_a_page_for_every_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (start, end) = ("<!-- codes: written by `UPDATE_WORDS=1 cargo nextest run readme` -->\n", "<!-- /codes -->");
    let (before, rest) = readme.split_once(start).unwrap();
    let (codes, after) = rest.split_once(end).unwrap();
    let expected = format!("\n{}\n", codes_markdown());
    if std::env::var_os("UPDATE_WORDS").is_some() {
        std::fs::write(&path, format!("{before}{start}{expected}{end}{after}")).unwrap();
    } else {
        assert!(codes == expected, "the README's codes are not those of src/render/codes.rs; UPDATE_WORDS=1 writes them");
    }
}

#[test]
fn statuses_and_terminal_texts_read_well() {
    let words = words();
    let all = [
        usual(passed),
        usual(tag_moved),
        usual(unreachable),
        usual(not_ended),
        two_images(),
        vec![passed(&Outside::usual()), worker(passed(&Outside::usual()))],
    ];
    let statuses: Vec<_> = all.iter().map(|verdicts| words.status_description(verdicts)).collect();
    check("statuses.txt", &(statuses.join("\n") + "\n"));
    let texts: Vec<_> = all[..4].iter().map(|verdicts| words.verdict_text(&verdicts[0], false)).collect();
    check("terminal.txt", &texts.join("\n"));
    for verdicts in &all {
        let painted = words.verdict_text(&verdicts[0], true);
        let bare = ["32", "33", "31", "2", "0"].iter().fold(painted, |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
        assert_eq!(bare, words.verdict_text(&verdicts[0], false), "colour carries meaning of its own");
    }
}

#[test]
fn a_status_fits_gitlab() {
    let mut verdicts = usual(tag_moved);
    verdicts[0].subject.question.about = About::Release { tag: "é".repeat(1000) };
    assert_eq!(words().status_description(&verdicts).chars().count(), MAX_STATUS_CHARS);
}

#[test]
fn json_holds_every_key_of_the_contract() {
    let words = words();
    let json = |verdict: &Verdict| words.verdict_json("0197-1", verdict);
    let pretty = |verdict: &Verdict| serde_json::to_string_pretty(&json(verdict)).unwrap() + "\n";
    check("verdict-passed.json", &pretty(&passed_keyless(&Outside::usual())));
    check("verdict-attested.json", &pretty(&attested(&Outside::usual())));
    check("verdict-blocked.json", &pretty(&tag_moved(&Outside::usual())));
    check("verdict-could-not-check.json", &pretty(&unreachable(&Outside::usual())));
    const KEYS: &str = "id outcome code headline next_step image digest tag project environment as_of policy trust_root checks commit \
        pipeline job runner signer signature_layout provenance base_image merge_requests tests promotions";
    for verdict in [passed(&Outside::usual()), multi_arch(&Outside::usual()), tag_moved(&Outside::usual()), unreachable(&Outside::usual())]
    {
        let json = json(&verdict);
        for key in KEYS.split_whitespace() {
            assert!(json.get(key).is_some(), "{key} is missing");
        }
    }
}

#[test]
fn an_outage_never_reads_as_unsigned_and_nothing_else_as_passed() {
    let words = words();
    for verdict in [unreachable(&Outside::usual()), tag_moved(&Outside::usual()), not_ended(&Outside::usual())] {
        let verdicts = std::slice::from_ref(&verdict);
        let all = [
            words.sticky_note(MR, verdicts, Audience::Members, &[]),
            words.reply(MR, verdicts, Audience::Members),
            words.release_section(verdicts, &[]),
            words.status_description(verdicts),
            words.verdict_text(&verdict, false),
        ];
        for text in all {
            assert!(!text.contains("verified:") && !text.contains("safe to promote") && !text.contains("Verified"), "{text}");
            if verdict.outcome == Outcome::CouldNotCheck {
                let lower = text.to_lowercase();
                assert!(!lower.contains("not signed") && !lower.contains("unsigned") && !lower.contains("no signature"), "{text}");
                assert!(!lower.contains("blocked"), "{text}");
                assert!(lower.contains("not check"), "{text}");
            }
        }
    }
}

#[test]
fn a_public_note_names_no_registry() {
    let words = words();
    for make in [passed, passed_keyless, attested, tag_moved, unreachable, not_ended] {
        let mut verdicts = usual(make);
        verdicts[0].findings.push(finding(Check::Identity, CheckOutcome::Blocked, ("none", &image().to_string()), None));
        let based = format!("registry.example.com/base/debian:12 at {}", digest());
        verdicts[0].findings.push(finding(Check::BaseImage, CheckOutcome::Passed, (&based, &based), None));
        for text in [words.sticky_note(MR, &verdicts, Audience::Everyone, &[]), words.reply(MR, &verdicts, Audience::Everyone)] {
            assert!(!text.contains("registry.example.com"), "{text}");
        }
        assert!(!words.status_description(&verdicts).contains("registry.example.com"));
    }
    for problem in problems(&Outside::usual()) {
        let said = words.explain(&problem, &subject(&Outside::usual()));
        assert!(!said.headline.markdown().contains("registry.example.com"), "{}", said.headline.markdown());
    }
}

#[test]
fn an_audience_is_public_unless_gitlab_says_otherwise() {
    let project = |visibility: &str| crate::model::gitlab::Project {
        key: crate::model::gitlab::ProjectKey {
            instance: crate::model::gitlab::InstanceName("main".into()),
            id: crate::model::gitlab::ProjectId(7),
        },
        path: crate::model::gitlab::ProjectPath("shop/api".into()),
        web_url: PROJECT_URL.into(),
        namespace_id: 3,
        visibility: visibility.into(),
        ci_config_path: String::new(),
        default_branch: None,
    };
    assert_eq!(Audience::of(Some(&project("private"))), Audience::Members);
    assert_eq!(Audience::of(Some(&project("internal"))), Audience::Members);
    assert_eq!(Audience::of(Some(&project("public"))), Audience::Everyone);
    assert_eq!(Audience::of(Some(&project("Private"))), Audience::Everyone);
    assert_eq!(Audience::of(None), Audience::Everyone);
}
