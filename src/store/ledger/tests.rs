use super::*;
use crate::effects::{Done, Effect, Emoji, StatusState};
use crate::model::attestation::{BaseImage, BaseSeen, BaseToldBy};
use crate::model::gitlab::{CommitSha, InstanceName, MergeRequestIid, NoteId, PipelineId, ProjectId, ProjectPath, UserId};
use crate::model::project::{Pattern, TagTemplate, WatchedImage, WatchedProject};
use crate::model::promotion::{Ending, Happened, PromotionEvent, PromotionId};
use crate::model::{PinnedImage, Timestamp};
use crate::store::memory::MemoryStore;
use crate::store::sled::SledStore;
use crate::verdict::{About, Outcome, Question};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn project() -> ProjectKey {
    ProjectKey { instance: InstanceName("main".into()), id: ProjectId(7) }
}

fn image() -> Repository {
    "registry.example.com/shop/api".parse().unwrap()
}

fn commit(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn sighting(bytes: &str, commit_digit: char, release: Option<&str>) -> Sighting {
    Sighting {
        digest: Digest::of(bytes.as_bytes()),
        commit: Some(commit(commit_digit)),
        release: release.map(Into::into),
        pipeline: Some(PipelineId(9)),
        first_seen: at(0),
        source: "registry tag v1".into(),
    }
}

fn verdict(bytes: &str, tag: &str, second: i64) -> Verdict {
    let watched = WatchedImage {
        wants_provenance: false,
        name: "api".into(),
        repository: image(),
        version_tag: TagTemplate::parse("{tag}").unwrap(),
        commit_tag: None,
        release_job: "release".into(),
        digest_file: None,
        signers: vec![],
        platform_signatures: false,
    };
    let question = Question {
        project: WatchedProject {
            instance: InstanceName("main".into()),
            path: ProjectPath("shop/api".into()),
            release_tags: Pattern::parse("v*").unwrap(),
            images: vec![watched.clone()],
            environments: vec![],
            deploy_jobs: vec![],
        },
        image: watched,
        about: About::Release { tag: tag.into() },
        asking_job: None,
    };
    Verdict {
        outcome: Outcome::CouldNotCheck,
        problem: None,
        findings: vec![],
        image: Some(PinnedImage { repository: image(), digest: Digest::of(bytes.as_bytes()) }),
        as_of: at(second),
        policy: Digest::of(b"policy"),
        trust_root: None,
        subject: crate::verdict::Subject {
            question,
            project: Some(project()),
            project_url: None,
            commit: None,
            pipeline: None,
            ref_protected: None,
            job: None,
            signer: None,
            layout: None,
            platforms: vec![],
            merge_requests: vec![],
            tests: None,
            provenance: None,
            base_image: None,
        },
    }
}

fn sticky(note: Option<u64>) -> Effect {
    Effect::StickyNote { project: project(), merge_request: MergeRequestIid(4), body: "text".into(), note: note.map(NoteId) }
}

fn intended(effect: &Effect, second: i64) -> Entry {
    Entry::Intended { effect_key: effect.key(), effect: Box::new(effect.clone()), at: at(second) }
}

fn done(effect: &Effect, done: Done, second: i64) -> Entry {
    Entry::Done { effect_key: effect.key(), done, at: at(second) }
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

async fn open(store: &Arc<dyn Store>) -> Ledger {
    Ledger::open(store.clone()).await.unwrap()
}

/// Another store with the records and the index head of this one, some changed on the way.
async fn changed(store: &Arc<dyn Store>, change: impl Fn(u64, Vec<u8>) -> Option<Vec<u8>>) -> Arc<dyn Store> {
    let copy = memory();
    let mut next = 0;
    for (seq, bytes) in store.log(0, usize::MAX).await.unwrap() {
        if let Some(bytes) = change(seq, bytes) {
            assert!(copy.append(next, &bytes).await.unwrap());
            next += 1;
        }
    }
    let head = store.get(Space::Ledger, HEAD).await.unwrap().unwrap();
    copy.put(Space::Ledger, HEAD, &head).await.unwrap();
    copy
}

#[tokio::test]
async fn the_release_before_is_the_one_that_passed_first_before() {
    let ledger = open(&memory()).await;
    let previous = async |release: Option<&str>| {
        let found = ledger.previous_base(&project(), &image(), release).await.unwrap();
        found.map(|previous| (previous.release, previous.base.digest))
    };
    let release = async |tag: &str, base: Option<&str>, outcome: Outcome| {
        let mut judged = verdict(tag, tag, 1);
        judged.outcome = outcome;
        let base = base.map(|base| BaseImage { name: None, digest: Digest::of(base.as_bytes()), told_by: BaseToldBy::Annotation });
        judged.subject.base_image = base.map(|base| BaseSeen { base, previous: None });
        ledger.record_verdict(&judged).await.unwrap();
        if outcome == Outcome::Passed {
            ledger.record_sighting(&project(), &image(), &sighting(tag, 'a', Some(tag))).await.unwrap();
        }
    };
    let of = |tag: &str, base: &str| Some((tag.to_owned(), Digest::of(base.as_bytes())));
    assert_eq!(previous(Some("v1")).await, None);
    release("v1", Some("one"), Outcome::Passed).await;
    assert_eq!(previous(Some("v1")).await, None, "no release comes before the first");
    release("v2", Some("blocked"), Outcome::Blocked).await;
    assert_eq!((previous(Some("v2")).await, previous(None).await), (of("v1", "one"), of("v1", "one")), "what did not pass is no release");
    release("v2", Some("two"), Outcome::Passed).await;
    assert_eq!((previous(Some("v2")).await, previous(Some("v3")).await), (of("v1", "one"), of("v2", "two")));
    // Judged again, with another story since: the order stays, and the newest that passed tells the base.
    release("v1", Some("one again"), Outcome::Passed).await;
    release("v1", None, Outcome::CouldNotCheck).await;
    assert_eq!((previous(Some("v1")).await, previous(Some("v2")).await), (None, of("v1", "one again")));
    assert_eq!(previous(Some("v3")).await, of("v2", "two"));
    for count in 0..20 {
        release(&format!("w{count}"), None, Outcome::Passed).await;
    }
    assert_eq!((previous(Some("v2")).await, previous(Some("w0")).await), (of("v1", "one again"), of("v2", "two")), "the long way back");
    assert_eq!(previous(Some("w9")).await, None, "the release before had no base on record");
    ledger.rebuild().await.unwrap();
    assert_eq!(previous(Some("v2")).await, of("v1", "one again"));
}

#[tokio::test]
async fn sightings_come_first_seen_first_and_each_digest_once() {
    let store = memory();
    let ledger = open(&store).await;
    let record = async |sighting| ledger.record_sighting(&project(), &image(), &sighting).await.unwrap();
    assert!(record(sighting("one", 'a', Some("v1"))).await);
    assert!(!record(sighting("one", 'a', Some("v1"))).await, "the same again is not recorded");
    let later = Sighting { first_seen: at(50), source: "elsewhere".into(), ..sighting("one", 'a', Some("v1")) };
    assert!(!record(later).await, "a later look at the same is the same sighting");
    assert!(record(sighting("two", 'a', None)).await);
    assert!(record(sighting("three", 'b', Some("v1"))).await);
    assert!(record(sighting("one", 'a', Some("v2"))).await);
    assert_eq!(store.log_end().await.unwrap(), 4);

    let digests = async |commit: Option<char>, release| {
        let found = ledger.sightings(&project(), &image(), commit.map(self::commit).as_ref(), release).await.unwrap();
        found.into_iter().map(|sighting| sighting.digest).collect::<Vec<_>>()
    };
    let [one, two, three] = ["one", "two", "three"].map(|bytes| Digest::of(bytes.as_bytes()));
    assert_eq!(digests(Some('a'), None).await, [one, two]);
    assert_eq!(digests(None, Some("v1")).await, [one, three]);
    assert_eq!(digests(Some('a'), Some("v1")).await, [one, two, three]);
    // The same bytes under two releases of one commit: the record of the second knows them too.
    let both = ledger.sightings(&project(), &image(), Some(&commit('a')), Some("v2")).await.unwrap();
    assert!(both.iter().any(|sighting| sighting.digest == one && sighting.release.as_deref() == Some("v2")), "{both:?}");
    assert!(digests(Some('c'), Some("v9")).await.is_empty());
    assert!(digests(None, None).await.is_empty());
    let elsewhere: Repository = "registry.example.com/shop/web".parse().unwrap();
    assert!(ledger.sightings(&project(), &elsewhere, Some(&commit('a')), None).await.unwrap().is_empty(), "images are apart");

    assert_eq!(ledger.release_of_digest(&project(), &image(), &one).await.unwrap().as_deref(), Some("v1"));
    assert_eq!(ledger.release_of_digest(&project(), &image(), &two).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sighting_is_recorded_once_across_replicas() {
    let store = memory();
    let replicas = [Arc::new(open(&store).await), Arc::new(open(&store).await)];
    for round in 0..20 {
        let mut racers = tokio::task::JoinSet::new();
        for n in 0..8 {
            let ledger = replicas[n % 2].clone();
            let seen = sighting(&format!("bytes {round}"), 'a', Some("v1"));
            racers.spawn(async move { ledger.record_sighting(&project(), &image(), &seen).await.unwrap() });
        }
        assert_eq!(racers.join_all().await.into_iter().filter(|new| *new).count(), 1);
    }
    assert_eq!(store.log_end().await.unwrap(), 20);
}

#[tokio::test]
async fn an_effect_waits_until_it_found_its_place() {
    let ledger = open(&memory()).await;
    let effect = Effect::ReleaseSection { project: project(), tag: "v1".into(), section: "x".into() };
    let waits = async || ledger.waits(&effect.key()).await.unwrap();
    assert!(!waits().await);
    ledger.append(&intended(&effect, 1)).await.unwrap();
    ledger.append(&done(&effect, Done::Waiting, 2)).await.unwrap();
    assert!(waits().await);
    ledger.rebuild().await.unwrap();
    assert!(waits().await);
    ledger.append(&done(&effect, Done::Wrote { note: None }, 3)).await.unwrap();
    assert!(!waits().await);
}

#[tokio::test]
async fn the_words_of_a_taken_note_are_remembered_beside_executed_commands() {
    let ledger = open(&memory()).await;
    let (at_home, words) = (project(), Digest::of(b"/verify"));
    let note = |id| (&at_home, MergeRequestIid(4), NoteId(id));
    assert_eq!(ledger.taken_note(note(1)).await.unwrap(), None);
    ledger.take_note(note(1), &words).await.unwrap();
    ledger.rebuild().await.unwrap();
    assert_eq!(ledger.taken_note(note(1)).await.unwrap(), Some(words));
    assert_eq!(ledger.taken_note(note(2)).await.unwrap(), None);
}

#[tokio::test]
async fn an_intent_is_open_until_its_outcome() {
    let ledger = open(&memory()).await;
    let (first, key) = (sticky(None), sticky(None).key());
    let intent = async || ledger.open_intent(&key).await.unwrap();
    assert_eq!(intent().await, None);
    ledger.append(&intended(&first, 1)).await.unwrap();
    assert_eq!(intent().await, Some((at(1), first.clone())));
    let other = Effect::React { project: project(), merge_request: MergeRequestIid(4), note: NoteId(1), emoji: Emoji::Eyes };
    ledger.append(&done(&other, Done::Wrote { note: None }, 2)).await.unwrap();
    assert_eq!(intent().await, Some((at(1), first.clone())), "another effect's outcome is not this one's");
    ledger.append(&Entry::NotDone { effect_key: key.clone(), reason: "403".into(), at: at(3) }).await.unwrap();
    assert_eq!(intent().await, None);
    ledger.append(&intended(&first, 4)).await.unwrap();
    assert_eq!(intent().await, Some((at(4), first.clone())));
    ledger.append(&done(&first, Done::Wrote { note: Some(NoteId(70)) }, 5)).await.unwrap();
    assert_eq!(intent().await, None);
}

#[tokio::test]
async fn the_sticky_note_is_the_newest_that_was_written() {
    let ledger = open(&memory()).await;
    let note = async || ledger.sticky_note(&project(), MergeRequestIid(4)).await.unwrap();
    ledger.append(&intended(&sticky(None), 0)).await.unwrap();
    assert_eq!(note().await, None, "intended is not written");
    ledger.append(&done(&sticky(None), Done::Wrote { note: Some(NoteId(70)) }, 1)).await.unwrap();
    ledger.append(&done(&sticky(None), Done::Waiting, 2)).await.unwrap();
    assert_eq!(note().await, Some(NoteId(70)));
    ledger.append(&done(&sticky(None), Done::Wrote { note: Some(NoteId(71)) }, 3)).await.unwrap();
    assert_eq!(note().await, Some(NoteId(71)), "somebody deleted the first");
    assert_eq!(ledger.sticky_note(&project(), MergeRequestIid(5)).await.unwrap(), None);
}

#[tokio::test]
async fn a_command_begins_once_across_replicas_and_rebuilds() {
    let store = memory();
    let replicas = [Arc::new(open(&store).await), Arc::new(open(&store).await)];
    let command = CommandSeen {
        project: project(),
        merge_request: MergeRequestIid(4),
        note: NoteId(33),
        by: UserId(2),
        words: "verify v1".into(),
        at: at(0),
    };
    let mut racers = tokio::task::JoinSet::new();
    for n in 0..12 {
        let (ledger, command) = (replicas[n % 2].clone(), command.clone());
        racers.spawn(async move { ledger.begin_command(&command).await.unwrap() });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|began| *began).count(), 1);
    replicas[0].rebuild().await.unwrap();
    assert!(!open(&store).await.begin_command(&command).await.unwrap());
    assert!(open(&store).await.begin_command(&CommandSeen { note: NoteId(34), ..command }).await.unwrap());
}

#[tokio::test]
async fn verdicts_are_found_by_id_digest_and_place() {
    let ledger = open(&memory()).await;
    let old = ledger.record_verdict(&verdict("one", "v1", 1)).await.unwrap();
    let other = ledger.record_verdict(&verdict("two", "v2", 2)).await.unwrap();
    let new = ledger.record_verdict(&verdict("one", "v1", 3)).await.unwrap();
    assert_eq!(ledger.verdict(old).await.unwrap(), Some(verdict("one", "v1", 1)));
    assert_eq!(ledger.verdict(Uuid::now_v7()).await.unwrap(), None);
    let of_one = ledger.verdicts_of_digest(&Digest::of(b"one"), 10).await.unwrap();
    assert_eq!(of_one.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [new, old], "newest first");
    assert_eq!(ledger.verdicts_of_digest(&Digest::of(b"one"), 1).await.unwrap().len(), 1);
    let latest = async |tag| ledger.latest_verdict(&project(), &image(), tag).await.unwrap().map(|(id, _)| id);
    assert_eq!((latest("v1").await, latest("v2").await, latest("v3").await), (Some(new), Some(other), None));
}

#[tokio::test]
async fn replicas_see_each_others_records_and_keep_one_chain() {
    let store = memory();
    let (here, there) = (Arc::new(open(&store).await), Arc::new(open(&store).await));
    here.append(&done(&sticky(None), Done::Wrote { note: Some(NoteId(70)) }, 1)).await.unwrap();
    assert_eq!(there.sticky_note(&project(), MergeRequestIid(4)).await.unwrap(), Some(NoteId(70)));
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..20 {
        let ledger = if n % 2 == 0 { here.clone() } else { there.clone() };
        writers.spawn(async move { ledger.append(&intended(&sticky(Some(n)), 0)).await.unwrap() });
    }
    let mut numbers = writers.join_all().await;
    numbers.sort();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let walk = there.verify().await.unwrap();
    assert_eq!((walk.records, walk.broken), (21, None));
}

#[tokio::test]
async fn lost_indices_are_made_again() {
    let store = memory();
    let ledger = open(&store).await;
    ledger.record_sighting(&project(), &image(), &sighting("one", 'a', Some("v1"))).await.unwrap();
    ledger.record_verdict(&verdict("one", "v1", 1)).await.unwrap();
    ledger.append(&done(&sticky(None), Done::Wrote { note: Some(NoteId(70)) }, 1)).await.unwrap();
    // Only the log is left.
    let bare = memory();
    for (seq, bytes) in store.log(0, 100).await.unwrap() {
        assert!(bare.append(seq, &bytes).await.unwrap());
    }
    let ledger = open(&bare).await;
    assert_eq!(ledger.sightings(&project(), &image(), Some(&commit('a')), None).await.unwrap().len(), 1);
    assert_eq!(ledger.sticky_note(&project(), MergeRequestIid(4)).await.unwrap(), Some(NoteId(70)));
    assert!(ledger.latest_verdict(&project(), &image(), "v1").await.unwrap().is_some());
    // And indices that are behind catch up: a record written by a process that died before indexing it.
    let head = bare.get(Space::Ledger, HEAD).await.unwrap().unwrap();
    ledger.record_sighting(&project(), &image(), &sighting("two", 'a', None)).await.unwrap();
    for (key, _) in bare.scan(Space::Sighting, "", 100).await.unwrap() {
        bare.delete(Space::Sighting, &key).await.unwrap();
    }
    bare.put(Space::Ledger, HEAD, &head).await.unwrap();
    let found = open(&bare).await.sightings(&project(), &image(), Some(&commit('a')), None).await.unwrap();
    assert_eq!(found.iter().map(|s| s.digest).collect::<Vec<_>>(), [Digest::of(b"two")]);
}

#[tokio::test]
async fn an_edited_removed_or_rolled_back_record_is_found() {
    let store = memory();
    let ledger = open(&store).await;
    for second in 0..150 {
        ledger.append(&intended(&sticky(None), second)).await.unwrap();
    }
    let walk = ledger.verify().await.unwrap();
    assert_eq!((walk.records, walk.broken), (150, None));
    assert!(walk.head.is_some());

    let edit = |at: u64| {
        move |seq, bytes: Vec<u8>| {
            Some(if seq == at { String::from_utf8(bytes).unwrap().replace("text", "tExt").into_bytes() } else { bytes })
        }
    };
    let broken = async |store: &Arc<dyn Store>| {
        Ledger { store: store.clone(), head: Mutex::default(), walked: Mutex::default() }.verify().await.unwrap().broken
    };
    let fault = |seq, fault| Some(Break { seq, fault });

    let edited = changed(&store, edit(70)).await;
    assert_eq!(broken(&edited).await, fault(71, Fault::Chain));
    let edited = changed(&store, edit(149)).await;
    assert_eq!(broken(&edited).await, fault(149, Fault::Replaced), "the newest has no successor to tell");
    assert!(matches!(Ledger::open(edited).await, Err(LedgerError::Broken(Break { seq: 149, fault: Fault::Replaced }))));
    let removed = changed(&store, |seq, bytes| (seq != 70).then_some(bytes)).await;
    assert_eq!(broken(&removed).await, fault(70, Fault::Chain));
    let shortened = changed(&store, |seq, bytes| (seq < 140).then_some(bytes)).await;
    assert_eq!(broken(&shortened).await, fault(140, Fault::Missing));
    assert!(matches!(Ledger::open(shortened).await, Err(LedgerError::Broken(Break { fault: Fault::Missing, .. }))));
    let foreign = changed(&store, |seq, bytes| Some(if seq == 3 { b"{}".to_vec() } else { bytes })).await;
    assert_eq!(broken(&foreign).await, fault(3, Fault::Unreadable));
    foreign.delete(Space::Ledger, HEAD).await.unwrap();
    assert!(Ledger::open(foreign).await.is_err(), "a rebuild checks the chain");
}

#[tokio::test]
async fn every_kind_of_entry_reads_back_as_written() {
    let store = memory();
    let ledger = open(&store).await;
    let status = Effect::Status {
        project: project(),
        sha: commit('a'),
        git_ref: crate::model::gitlab::GitRef::Tag("v1".into()),
        pipeline: PipelineId(9),
        state: StatusState::Canceled,
        description: "could not check".into(),
        target_url: None,
    };
    let command = CommandSeen {
        project: project(),
        merge_request: MergeRequestIid(1),
        note: NoteId(2),
        by: UserId(3),
        words: "verify".into(),
        at: at(0),
    };
    let entries = [
        Entry::Verdict { id: Uuid::now_v7(), verdict: Box::new(verdict("one", "v1", 0)) },
        Entry::Seen { project: project(), image: image(), sighting: sighting("one", 'a', None) },
        intended(&status, 1),
        done(&status, Done::Unchanged { note: None }, 2),
        Entry::NotDone { effect_key: "k".into(), reason: "404".into(), at: at(3) },
        Entry::Command(command),
        Entry::Promotion {
            id: PromotionId("0123456789abcdef".into()),
            happened: Happened {
                at: at(4),
                event: PromotionEvent::Ended { ending: Ending::Stopped { code: "CS-HALTED".into(), reason: "why".into() } },
            },
        },
    ];
    for entry in &entries {
        ledger.append(entry).await.unwrap();
    }
    let read: Vec<_> = ledger.entries(0, 10).await.unwrap().into_iter().map(|(_, entry)| entry).collect();
    assert_eq!(read, entries);
    let kinds: Vec<String> =
        entries.iter().map(|entry| serde_json::to_value(entry).unwrap().get("kind").unwrap().as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["verdict", "seen", "intended", "done", "not_done", "command", "promotion"], "names on disk are kept for ever");
}

#[tokio::test]
async fn the_ledger_survives_reopening_on_sled() {
    let folder = tempfile::TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(SledStore::open(folder.path()).await.unwrap());
    let ledger = open(&store).await;
    let id = ledger.record_verdict(&verdict("one", "v1", 1)).await.unwrap();
    ledger.record_sighting(&project(), &image(), &sighting("one", 'a', Some("v1"))).await.unwrap();
    drop((ledger, store));
    let store: Arc<dyn Store> = Arc::new(SledStore::open(folder.path()).await.unwrap());
    let ledger = open(&store).await;
    assert!(ledger.verdict(id).await.unwrap().is_some());
    assert!(!ledger.record_sighting(&project(), &image(), &sighting("one", 'a', Some("v1"))).await.unwrap());
    assert_eq!(ledger.verify().await.unwrap().records, 2);
}
