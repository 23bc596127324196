//! The story of the demo, step by step, each with what must come of it.

mod promotion;

use std::time::{Duration, Instant};

use crate::cli::{Exit, complain, print};
use crate::sandbox::page::{LAPTOP, RELEASE};
use crate::sandbox::shop::Shop;

/// The longest a step may take before it counts as not happening.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one step told.
type Told = Result<String, String>;

/// Plays the story and prints it.
pub async fn play(shop: &Shop) -> Exit {
    let steps: [(&str, &dyn AsyncStep); 18] = [
        ("Release duty pushes tag v1.8.2; the protected pipeline builds the image once and signs it.", &release),
        ("Dana comments /verify on the merge request.", &verify),
        ("Somebody moves the registry tag v1.8.2 to other bytes. Nobody tells the bot; it looks again by itself.", &moved),
        ("The tag is put back.", &restored),
        ("Somebody builds v1.8.3 on a laptop, pushes and signs it by hand.", &laptop),
        ("Dana asks for the words.", &help),
        ("Rita, release duty, asks for v1.8.2 in production. Staging has never seen it.", &promotion::unstaged),
        ("Dana promotes it to staging: the bot moves the tag, plays the deploy job and waits for its end.", &promotion::staging),
        ("Dana asks for production as well. She is a Developer, and Maintainers deploy there.", &promotion::rights),
        ("Rita looks before she asks.", &promotion::preview),
        ("Rita asks, Otto approves, and the very digest that staging runs goes to production.", &promotion::production),
        ("Beside the image lies a summary of it that the bot signed. Whoever has its public key can tell.", &promotion::summary),
        ("v1.9.0 is released and goes to staging. In production its deploy job is played, and fails.", &promotion::fails),
        ("What failed is put right, and Rita asks once more.", &promotion::again),
        ("Somebody runs the deploy job of v1.8.2 by hand. Nobody asked the bot.", &promotion::drift),
        ("Rita rolls production back, on record, and Otto approves.", &promotion::rollback),
        ("Rita sets the halt switch, and tries.", &promotion::halted),
        ("The switch is off again. Somebody moves the registry tag v1.9.0, and Dana promotes v1.9.0 once more.", &promotion::moved),
    ];
    let count = steps.len();
    for (at, (what, step)) in steps.into_iter().enumerate() {
        let told = match step.run(shop).await {
            Ok(told) => told,
            Err(missing) => return complain(&format!("Step {} of {count} did not end as told: {missing}", at + 1), Exit::Blocked),
        };
        let quoted: String = told.lines().map(|line| format!("    {line}\n")).collect();
        if print(&format!("{}. {what}\n\n{quoted}\n", at + 1), Exit::Done) != Exit::Done {
            return Exit::CouldNotCheck;
        }
    }
    print(&format!("All {count} steps ended as told.\n"), Exit::Done)
}

trait AsyncStep {
    fn run<'a>(&'a self, shop: &'a Shop) -> std::pin::Pin<Box<dyn Future<Output = Told> + 'a>>;
}

impl<F> AsyncStep for F
where
    F: AsyncFn(&Shop) -> Told,
{
    fn run<'a>(&'a self, shop: &'a Shop) -> std::pin::Pin<Box<dyn Future<Output = Told> + 'a>> {
        Box::pin(self(shop))
    }
}

async fn release(shop: &Shop) -> Told {
    let (_, digest) = shop.release(RELEASE).map_err(|fault| fault.to_string())?;
    shop.publish(RELEASE);
    let section = until("the release section names the digest", || {
        shop.release_text(RELEASE).filter(|text| text.contains(&digest.to_string()) && text.contains("countersign:release:end"))
    })
    .await?;
    let note =
        until("the merge request has its note", || shop.bot_notes().into_iter().find(|note| note.contains(&digest.to_string()))).await?;
    let status = until("the pipeline has a status", || shop.status(RELEASE).filter(|(state, _)| *state == "success")).await?;
    Ok(format!("Release notes:\n\n{section}\n\nMerge request:\n\n{note}\n\nCommit status: {} — {}", status.0, status.1))
}

async fn verify(shop: &Shop) -> Told {
    let asked = shop.say("/verify").ok_or("GitLab stored no comment")?;
    let reply = until("the reply says passed", || shop.reply_to(asked).filter(|text| text.starts_with("**Image verified"))).await?;
    until("the comment has its check mark", || shop.reactions(asked).contains(&"white_check_mark".to_owned()).then_some(())).await?;
    Ok(reply)
}

async fn moved(shop: &Shop) -> Told {
    shop.move_tag(RELEASE);
    until("the note says that the tag moved", || shop.bot_notes().into_iter().find(|note| note.contains("CS-TAG-MOVED"))).await
}

async fn restored(shop: &Shop) -> Told {
    shop.restore_tag(RELEASE).map_err(|fault| fault.to_string())?;
    let gone = || shop.bot_notes().first().filter(|note| !note.contains("CS-TAG-MOVED") && note.contains("### Image verified")).cloned();
    until("the note says verified again", gone).await
}

async fn laptop(shop: &Shop) -> Told {
    shop.push_from_laptop(LAPTOP).map_err(|fault| fault.to_string())?;
    shop.publish(LAPTOP);
    let section =
        until("the release section says blocked", || shop.release_text(LAPTOP).filter(|text| text.contains("CS-SIG-OTHER"))).await?;
    until("the pipeline is red", || shop.status(LAPTOP).filter(|(state, _)| *state == "failed")).await?;
    Ok(section)
}

async fn help(shop: &Shop) -> Told {
    let asked = shop.say("/countersign help").ok_or("GitLab stored no comment")?;
    until("the reply lists the words", || shop.reply_to(asked).filter(|text| text.contains("verify"))).await
}

/// Waits for a thing to be there.
async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> Result<T, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        match look() {
            Some(seen) => return Ok(seen),
            None if Instant::now() > end => return Err(format!("{what}: not within {} seconds", PATIENCE.as_secs())),
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
