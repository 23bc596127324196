//! Something else runs than was promoted: told once, known everywhere, and over when it is.

use super::*;

/// What the status of staging says it runs.
async fn status(world: &World) -> String {
    let asked = world.says_as(world.rita, "/countersign status staging");
    let table = world.replied(asked, "| `staging` |").await;
    table.lines().find(|line| line.starts_with("| `staging`")).unwrap().to_owned()
}

/// How often the thread of a promotion says something.
fn told(world: &World, asked: NoteId, what: &str) -> usize {
    world.replies(asked).iter().filter(|reply| reply.contains(what)).count()
}

/// How many drifts and ends of drifts are on record.
async fn recorded(world: &World) -> (usize, usize) {
    let entries = world.running().bot.ledger.entries(0, 10_000).await.unwrap();
    let of = |event: &str| entries.iter().filter(|(_, entry)| serde_json::to_string(entry).unwrap().contains(event)).count();
    (of("\"drift_seen\""), of("\"drift_over\""))
}

#[tokio::test]
async fn what_runs_instead_is_told_once_known_everywhere_and_over_when_it_is_gone() {
    let (world, digest) = released(setup().rechecks()).await;
    let asked = staged(&world).await;
    world.section_says(TAG, "staging").await;
    let other = world.registry.push_image(IMAGE, "staging", "somebody else's");
    let drift = world.replied(asked, "CS-DRIFT").await;
    assert!(drift.contains(&digest.short()) && drift.contains(&other.short()), "{drift}");
    // Wherever it is told what runs, this is told.
    assert!(world.section_says(TAG, &format!("it runs `{}`", other.short())).await.contains("staging"));
    world.sticky_says(&format!("`staging`: `{}`, not what was promoted", other.short())).await;
    let row = status(&world).await;
    assert!(row.contains(&format!("`{}` instead of [`v1.8.2`]", other.short())), "{row}");
    let preview = world.says_as(world.rita, "/countersign promote staging v1.8.2 --dry-run");
    let preview = world.replied(preview, "Runs now").await;
    assert!(preview.contains(&format!("| Runs now | `{}` since at latest", other.short())), "{preview}");
    let refused = refused(&world, world.dana, "/countersign rollback staging v1.8.1", "nothing to go back to").await;
    assert!(!refused.contains("still runs"), "{refused}");
    world.settled().await;
    assert_eq!((told(&world, asked, "CS-DRIFT"), recorded(&world).await), (1, (1, 0)), "at each look anew");

    // Somebody puts the tag back.
    world.registry.tag(IMAGE, "staging", digest);
    let over = world.replied(asked, "Drift is over").await;
    assert!(over.contains(&digest.short()), "{over}");
    world.sticky_says("`staging`: this image since").await;
    let row = status(&world).await;
    assert!(!row.contains("instead of"), "{row}");
    world.settled().await;
    assert!(!world.release_text(TAG).unwrap().contains("since at latest"));
    assert_eq!((told(&world, asked, "Drift is over"), recorded(&world).await), (1, (1, 1)));

    // The same thing again is another drift.
    world.registry.tag(IMAGE, "staging", other);
    until("it is told again", || (told(&world, asked, "CS-DRIFT") == 2).then_some(())).await;
    // A new promotion of the same release mends it.
    let again = staged(&world).await;
    let over =
        until("it is over", || world.replies(asked).into_iter().find(|reply| reply.contains("another promotion took its place"))).await;
    assert!(over.contains(&digest.short()) && over.contains("rita"), "{over}");
    world.settled().await;
    assert_eq!(recorded(&world).await, (2, 2));
    assert_eq!(told(&world, again, "rift"), 0, "{:#?}", world.replies(again));
    world.sticky_says("`staging`: this image since").await;
}

#[tokio::test]
async fn what_a_stopped_promotion_left_behind_is_said_to_run() {
    let both = "actions = [{ action = \"retag\", tag = \"staging\" }, { action = \"play-job\", job = \"deploy_production\", variable = \"IMAGE\" }]";
    let (world, first) = released(setup_with(both, PRODUCTION)).await;
    let play = async |asked: NoteId, end| {
        let job = || {
            let gitlab = world.gitlab.world();
            let job =
                gitlab.jobs.values().rfind(|job| job.spec.name == "deploy_production" && job.user == world.bot && !job.status.ended());
            job.map(|job| job.id)
        };
        let job = until("the job is started", job).await;
        world.gitlab.world().finish_job(job, end);
        asked
    };
    let asked = play(world.says_as(world.rita, "/countersign promote staging v1.8.2"), JobEnd::success()).await;
    closes(&world, asked, "white_check_mark").await;
    let commit = world.gitlab.world().push_commit(world.project, "main", world.rita, "Faster");
    let second = stories::release_on(&world, "v1.9.0", &commit).await;
    let failed = play(world.says_as(world.rita, "/countersign promote staging v1.9.0"), JobEnd::failed()).await;
    closes(&world, failed, "x").await;
    let told_end = world.replied(failed, "Not converged").await;
    assert!(told_end.contains(&format!("`staging` runs `{}` since at latest", second.short())), "{told_end}");
    // Nobody else did it, and nobody is to be looked for.
    assert!(!world.replies(asked).iter().any(|reply| reply.contains("CS-DRIFT")), "{:#?}", world.replies(asked));
    // The way back that the end names mends it.
    let back = play(world.says_as(world.rita, "/countersign rollback staging v1.8.2"), JobEnd::success()).await;
    closes(&world, back, "white_check_mark").await;
    world.replied(asked, "another promotion took its place").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(first));
}
