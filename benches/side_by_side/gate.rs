//! `inspect --key` cold, beside `cosign verify --key`: the same image, the same registry, one process a run.

use std::path::PathBuf;
use std::process::Command;

use countersign::model::PinnedImage;

use super::cosign::{Desk, KeyPair, Version};
use super::parts::part;
use super::registry::Registry;

const ROUNDS: usize = 15;

/// What one run took.
struct Run {
    wall: f64,
    cpu: f64,
    memory: f64,
}

/// A command under GNU time; it must succeed. `tries`: a measurement of a refusal would measure something else.
fn timed(desk: &Desk, program: &PathBuf, arguments: &[&str]) -> Run {
    let report = desk.path().join("time");
    let mut command = Command::new(part("time"));
    command.args(["-f", "%e %U %S %M", "-o"]).arg(&report).arg(program).args(arguments);
    command.env_clear().env("HOME", desk.path()).env("DOCKER_CONFIG", desk.docker_config()).current_dir(desk.path());
    let began = std::time::Instant::now();
    let output = command.output().unwrap();
    let wall = began.elapsed().as_secs_f64() * 1e3;
    assert!(output.status.success(), "{arguments:?}: {}", super::cosign::told(&output));
    let text = std::fs::read_to_string(report).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    Run { wall, cpu: (numbers[1] + numbers[2]) * 1e3, memory: numbers[3] / 1024.0 }
}

/// The middle of several runs of each, in turn, so that a busy moment of the machine meets all of them.
fn side_by_side(desk: &Desk, programs: &[(&str, PathBuf, Vec<&str>)]) -> Vec<Run> {
    let mut runs: Vec<Vec<Run>> = programs.iter().map(|_| vec![]).collect();
    for _ in 0..ROUNDS {
        for (of, (_, program, arguments)) in runs.iter_mut().zip(programs) {
            of.push(timed(desk, program, arguments));
        }
    }
    let middle = |runs: &[Run], value: fn(&Run) -> f64| super::median(runs.iter().map(value).collect());
    runs.iter()
        .map(|runs| Run { wall: middle(runs, |r| r.wall), cpu: middle(runs, |r| r.cpu), memory: middle(runs, |r| r.memory) })
        .collect()
}

/// Requests that reach the registry in one run.
fn requests(registry: &Registry, desk: &Desk, program: &PathBuf, arguments: &[&str]) -> usize {
    let settled = || {
        // The registry writes its log when it has answered.
        std::thread::sleep(std::time::Duration::from_millis(300));
        registry.answered()
    };
    let before = settled();
    timed(desk, program, arguments);
    settled() - before
}

fn table(title: &str, registry: &Registry, desk: &Desk, programs: &[(&str, PathBuf, Vec<&str>)]) {
    println!("| {title} | wall | CPU | memory | requests |\n|---|---|---|---|---|");
    let runs = side_by_side(desk, programs);
    for (run, (name, program, arguments)) in runs.iter().zip(programs) {
        let asked = requests(registry, desk, program, arguments);
        let times = |value: f64, ours: f64| format!("{:.1}×", value / ours);
        println!(
            "| {name} | {:.0} ms ({}) | {:.0} ms ({}) | {:.0} MiB ({}) | {asked} |",
            run.wall,
            times(run.wall, runs[0].wall),
            run.cpu,
            times(run.cpu, runs[0].cpu),
            run.memory,
            times(run.memory, runs[0].memory),
        );
    }
    println!();
}

async fn signed(registry: &Registry, desk: &Desk, key: &KeyPair, version: Version) -> PinnedImage {
    let image = registry.pinned(registry.push_image(&[&format!("{version:?}").to_lowercase()], &format!("{version:?}")).await);
    desk.sign(version, key, &image);
    image
}

pub fn run() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registry = runtime.block_on(Registry::open());
    let desk = Desk::new(&registry.docker_config());
    let key = desk.key_pair(Version::Two, "release");
    let [legacy, bundle] =
        [Version::Two, Version::Three].map(|version| runtime.block_on(signed(&registry, &desk, &key, version)).to_string());
    println!("## `inspect --key`, cold, beside `cosign verify --key` (middle of {ROUNDS} runs each; in brackets, times ours)\n");
    let ours = |image| vec!["inspect", image, "--key", "release.pub"];
    let theirs = |image| vec!["verify", "--key", "release.pub", "--insecure-ignore-tlog", image];
    table(
        "`.sig` of cosign 2",
        &registry,
        &desk,
        &[
            ("countersign inspect", super::countersign(), ours(&legacy)),
            ("cosign 2 verify", part("cosign2"), theirs(&legacy)),
            ("cosign 3 verify", part("cosign3"), theirs(&legacy)),
        ],
    );
    table(
        "bundle of cosign 3",
        &registry,
        &desk,
        &[("countersign inspect", super::countersign(), ours(&bundle)), ("cosign 3 verify", part("cosign3"), theirs(&bundle))],
    );
}
