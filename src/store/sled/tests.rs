use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::super::contract::{self, hint};
use super::*;

async fn open(path: &Path) -> Arc<dyn Store> {
    Arc::new(SledStore::open(path).await.unwrap())
}

async fn refused(path: &Path) -> String {
    SledStore::open(path).await.err().expect("it must not open").to_string()
}

#[tokio::test]
async fn sled_keeps_the_contract() {
    let folder = TempDir::new().unwrap();
    let count = AtomicUsize::new(0);
    let make = async || open(&folder.path().join(count.fetch_add(1, Ordering::Relaxed).to_string())).await;
    contract::check(make).await;
    for store in 0..count.load(Ordering::Relaxed) {
        let blobs = folder.path().join(store.to_string()).join("blobs");
        assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 0, "blob files are never synced, so there must be none");
    }
}

#[tokio::test]
async fn sled_keeps_what_was_acknowledged_when_opened_again() {
    let folder = TempDir::new().unwrap();
    contract::check_reopened(async || open(folder.path()).await).await;
}

#[tokio::test]
async fn large_values_side_by_side_make_no_blob() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let value = vec![7; crate::store::MAX_VALUE];
    for n in 0..200 {
        store.put(Space::Verdict, &format!("{n:0>2000}"), &value).await.unwrap();
    }
    drop(store);
    assert_eq!(std::fs::read_dir(folder.path().join("blobs")).unwrap().count(), 0);
    assert_eq!(open(folder.path()).await.scan(Space::Verdict, "", 1000).await.unwrap().len(), 200);
}

#[tokio::test]
async fn a_folder_with_other_files_is_not_taken_over() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("thesis.tex"), "x").unwrap();
    assert!(refused(folder.path()).await.contains("not empty"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written into it");
}

#[tokio::test]
async fn another_format_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).await);
    std::fs::write(folder.path().join("COUNTERSIGN-STORE"), "countersign store, format 2, sled 1.0\nused x\n").unwrap();
    assert!(refused(folder.path()).await.contains("another format"));
}

#[tokio::test]
async fn a_lost_data_file_is_not_an_empty_store() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    assert!(store.append(0, b"x").await.unwrap());
    drop(store);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name == "db" || name.to_string_lossy().starts_with("snap")) {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(refused(folder.path()).await.contains("lost data"));
}

#[tokio::test]
async fn a_damaged_data_file_is_an_error_and_no_panic() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    for n in 0..200 {
        assert!(store.append(n, &[b'x'; 5_000]).await.unwrap());
    }
    drop(store);
    let data = folder.path().join("db");
    let mut bytes = std::fs::read(&data).unwrap();
    for byte in bytes.iter_mut().skip(1_000).step_by(97) {
        *byte ^= 0x5a;
    }
    std::fs::write(&data, bytes).unwrap();
    assert!(refused(folder.path()).await.contains("lost data"));
}

#[tokio::test]
async fn one_flipped_bit_anywhere_is_an_error_or_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    for n in 0..20 {
        assert!(store.append(n, &[b'x'; 3_000]).await.unwrap());
        store.push(&hint(n, n, 0)).await.unwrap();
    }
    drop(store);
    let data = folder.path().join("db");
    let bytes = std::fs::read(&data).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for at in (0..used).step_by(used / 60) {
        let copy = TempDir::new().unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).filter(|e| e.metadata().unwrap().is_file()) {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(copy.path().join("db"), damaged).unwrap();
        match SledStore::open(copy.path()).await {
            Err(_) => refused += 1,
            Ok(store) => match store.log(0, 100).await {
                Err(_) => refused += 1,
                Ok(records) => {
                    assert_eq!(records.len(), 20, "byte {at}");
                    assert!(records.iter().all(|(_, record)| record == &[b'x'; 3_000]), "byte {at}");
                    assert_eq!(store.depth().await.unwrap().waiting, 20, "byte {at}");
                }
            },
        }
    }
    assert!(refused > 10, "only {refused} refused");
}

#[tokio::test]
async fn one_folder_has_one_owner() {
    let folder = TempDir::new().unwrap();
    let _held = open(folder.path()).await;
    assert!(refused(folder.path()).await.contains("lock"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_pushes_share_flushes() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let mut pushes = tokio::task::JoinSet::new();
    for n in 0..2_000 {
        let store = store.clone();
        pushes.spawn(async move { store.push(&hint(n % 50, n, 0)).await.unwrap() });
    }
    let started = std::time::Instant::now();
    pushes.join_all().await;
    println!("2000 concurrent pushes: {:?}", started.elapsed());
    assert_eq!(store.depth().await.unwrap().waiting, 2_000);
}

const CHILD_FOLDER: &str = "COUNTERSIGN_TEST_KILLED_STORE";

/// The child of the test below: acknowledges what is durable until it is killed. Not a test of its own.
#[ignore = "the child process of acknowledged_hints_survive_kill_9"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_pushes_until_killed() {
    let path = std::env::var_os(CHILD_FOLDER).expect("only the test below starts this");
    let store = open(Path::new(&path)).await;
    let round = store.log_end().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4_u64 {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0.. {
                let hint = hint(task, round * 1_000_000 + n, 0);
                store.push(&hint).await.unwrap();
                // One write a line, so that a killed child leaves whole lines but for the last.
                std::io::stdout().write_all(format!("ACK {}\n", hint.key()).as_bytes()).unwrap();
            }
        });
    }
    for seq in round.. {
        assert!(store.append(seq, format!("record {seq}").repeat(2_000).as_bytes()).await.unwrap());
        std::io::stdout().write_all(format!("LOG {seq}\n").as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn acknowledged_hints_survive_kill_9() {
    let folder = TempDir::new().unwrap();
    let mut acknowledged = std::collections::BTreeSet::new();
    let mut records = 0;
    for round in 0..4_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sled::tests::child_pushes_until_killed", "--ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut seen = 0;
        // A different moment each round: after some acknowledgements and a pause that no flush is in step with.
        let wanted = 20 + round * 40;
        loop {
            line.clear();
            if lines.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                break;
            }
            match line.trim_end().split_once(' ') {
                Some(("ACK", key)) => {
                    acknowledged.insert(key.to_owned());
                }
                Some(("LOG", seq)) => records = records.max(seq.parse::<u64>().unwrap() + 1),
                _ => continue,
            }
            seen += 1;
            if seen == wanted {
                std::thread::sleep(Duration::from_micros(700 * (round + 1)));
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= wanted, "the child ended by itself after {seen} acknowledgements");

        let store = open(folder.path()).await;
        assert!(store.log_end().await.unwrap() >= records, "an acknowledged record is gone");
        for (seq, record) in store.log(0, usize::MAX).await.unwrap() {
            assert_eq!(record, format!("record {seq}").repeat(2_000).as_bytes());
        }
        let mut there = std::collections::BTreeSet::new();
        while let Some(claim) = store.claim(Timestamp::now(), jiff::SignedDuration::from_secs(60)).await.unwrap() {
            there.insert(claim.hint.key());
            store.finish(&claim).await.unwrap();
        }
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "lost after kill: {lost:?}");
        println!("round {round}: {} acknowledged, {} found, {records} records", acknowledged.len(), there.len());
        acknowledged.clear();
    }
}
