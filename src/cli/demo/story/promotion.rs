//! What the story tells of promotions: one digest from staging to production, who may not, what drifts, and the way back.

use clap::Parser as _;

use super::{Told, until};
use crate::cli::{Exit, inspect};
use crate::model::Digest;
use crate::model::gitlab::{NoteId, UserId};
use crate::sandbox::page::{NEXT, RELEASE};
use crate::sandbox::shop::{ENVIRONMENTS, IMAGE, Shop};

/// The bot's reactions that close a command.
const CLOSING: [&str; 2] = ["white_check_mark", "x"];

pub async fn unstaged(shop: &Shop) -> Told {
    refused(shop, (shop.rita, &format!("/countersign promote production {RELEASE}")), "CS-NOT-STAGED").await
}

pub async fn staging(shop: &Shop) -> Told {
    let asked = asks(shop, shop.dana, &format!("/countersign promote staging {RELEASE}"))?;
    arrives(shop, asked, ("staging", RELEASE)).await
}

pub async fn rights(shop: &Shop) -> Told {
    refused(shop, (shop.dana, &format!("/countersign promote production {RELEASE}")), "CS-RIGHTS").await
}

pub async fn preview(shop: &Shop) -> Told {
    let before = tags(shop);
    let asked = asks(shop, shop.rita, &format!("/countersign promote production {RELEASE} --dry-run"))?;
    closes(shop, asked, "white_check_mark").await?;
    if tags(shop) != before {
        return Err("a preview changed something".into());
    }
    shop.reply_to(asked).map(|reply| unfolded(&reply)).ok_or_else(|| "the preview was not said".into())
}

pub async fn production(shop: &Shop) -> Told {
    let told = to_production(shop, &format!("/countersign promote production {RELEASE}"), RELEASE).await?;
    if tags(shop)[0] != tags(shop)[1] {
        return Err("staging and production name two images".into());
    }
    Ok(told)
}

pub async fn summary(shop: &Shop) -> Told {
    /// What `countersign inspect` is called with.
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        inspect: inspect::Arguments,
    }
    let digest = shop.registry.tagged(IMAGE, "production").ok_or("production names no image")?;
    let key = shop.promoter_key().map_err(|fault| fault.to_string())?;
    let (image, key) = (shop.pinned(digest).to_string(), key.display().to_string());
    let line = Line::try_parse_from(["inspect", &image, "--key", &key, "--require", "vsa"]).map_err(|wrong| wrong.to_string())?;
    let (text, exit) = inspect::told(&line.inspect, false).await?;
    let summary = shop.summary("production", digest).ok_or("no summary speaks of production")?;
    if exit != Exit::Done || summary.requested_by != "rita" || summary.approved_by != ["otto"] {
        return Err(format!("the summary is not as it must be: {summary:?}\n{text}"));
    }
    Ok(format!("$ countersign inspect {image} --key promoter.pub --require vsa\n\n{text}"))
}

pub async fn fails(shop: &Shop) -> Told {
    shop.release_next(NEXT).map_err(|fault| fault.to_string())?;
    shop.publish(NEXT);
    until("the new release passed", || shop.status(NEXT).filter(|(state, _)| *state == "success")).await?;
    let asked = asks(shop, shop.dana, &format!("/countersign promote staging {NEXT}"))?;
    let staged = arrives(shop, asked, ("staging", NEXT)).await?;
    shop.fail_next_deployment();
    let asked = approved(shop, &format!("/countersign promote production {NEXT}")).await?.0;
    closes(shop, asked, "x").await?;
    let end = shop.replies_to(asked).last().map(|end| unfolded(end)).filter(|end| end.contains("Not converged"));
    let runs = shop.runs("production").is_some_and(|runs| runs.release == RELEASE);
    let end = end.filter(|_| runs).ok_or("the failed deployment is not told as one")?;
    Ok(format!("{staged}\n\n{end}"))
}

pub async fn again(shop: &Shop) -> Told {
    let told = to_production(shop, &format!("/countersign promote production {NEXT}"), NEXT).await?;
    if shop.registry.tagged(IMAGE, "production") != shop.registry.tagged(IMAGE, NEXT) {
        return Err("production does not run what was built".into());
    }
    Ok(told)
}

pub async fn drift(shop: &Shop) -> Told {
    shop.deploy_by_hand(RELEASE, "production").ok_or("the deploy job could not be started")?;
    until("the drift is told", || shop.bot_said("CS-DRIFT")).await
}

pub async fn rollback(shop: &Shop) -> Told {
    let told = to_production(shop, "/countersign rollback production", RELEASE).await?;
    let asked = asks(shop, shop.rita, "/countersign status")?;
    closes(shop, asked, "white_check_mark").await?;
    let status = shop.reply_to(asked).ok_or("the status was not said")?;
    Ok(format!("{told}\n\n{status}"))
}

pub async fn halted(shop: &Shop) -> Told {
    shop.halt(Some("The database is being moved.")).map_err(|fault| fault.to_string())?;
    let told = refused(shop, (shop.rita, &format!("/countersign promote production {NEXT}")), "CS-HALTED").await?;
    shop.halt(None).map_err(|fault| fault.to_string())?;
    Ok(told)
}

pub async fn moved(shop: &Shop) -> Told {
    shop.move_tag(NEXT);
    refused(shop, (shop.dana, &format!("/countersign promote staging {NEXT}")), "CS-TAG-MOVED").await
}

fn asks(shop: &Shop, who: UserId, words: &str) -> Result<NoteId, String> {
    shop.say_as(who, words).ok_or_else(|| "GitLab stored no comment".into())
}

/// What the environments' registry tags name.
fn tags(shop: &Shop) -> Vec<Option<Digest>> {
    ENVIRONMENTS.iter().map(|(environment, _)| shop.registry.tagged(IMAGE, environment)).collect()
}

/// Waits for a command's closing reaction, which must be this one.
async fn closes(shop: &Shop, asked: NoteId, with: &str) -> Result<(), String> {
    let closing = || shop.reactions(asked).into_iter().find(|name| CLOSING.contains(&name.as_str()));
    let closed = until("the comment has its closing reaction", closing).await?;
    if closed == with { Ok(()) } else { Err(format!("the comment has {closed}:\n{}", shop.replies_to(asked).join("\n\n"))) }
}

/// Asks for what must be refused with this code, and must change nothing.
async fn refused(shop: &Shop, (who, words): (UserId, &str), code: &str) -> Told {
    let before = tags(shop);
    let asked = asks(shop, who, words)?;
    closes(shop, asked, "x").await?;
    let reply = shop.reply_to(asked).filter(|reply| reply.contains(code)).ok_or_else(|| format!("the refusal does not say {code}"))?;
    if tags(shop) == before { Ok(unfolded(&reply)) } else { Err("what was refused was done".into()) }
}

/// Rita asks for production, where a second person must agree: Otto does. What was answered first.
async fn approved(shop: &Shop, words: &str) -> Result<(NoteId, String), String> {
    let asked = asks(shop, shop.rita, words)?;
    let waits = until("it waits for an approval", || shop.reply_to(asked).filter(|_| shop.reactions(asked).len() > 1)).await?;
    if shop.reactions(asked).iter().any(|name| CLOSING.contains(&name.as_str())) {
        return Err(format!("it did not wait for an approval:\n{waits}"));
    }
    shop.answer_as(shop.otto, asked, "/countersign approve").ok_or("GitLab stored no comment")?;
    Ok((asked, waits))
}

/// The same up to its end, which must be a good one.
async fn to_production(shop: &Shop, words: &str, release: &str) -> Told {
    let (asked, waits) = approved(shop, words).await?;
    let end = arrives(shop, asked, ("production", release)).await?;
    Ok(format!("{}\n\n{end}", unfolded(&waits)))
}

/// Waits for a promotion's end: this release must run there, by tag and by deployment. Gives what the bot says last.
async fn arrives(shop: &Shop, asked: NoteId, (environment, release): (&str, &str)) -> Told {
    closes(shop, asked, "white_check_mark").await?;
    let digest = shop.registry.tagged(IMAGE, release);
    let runs = shop.runs(environment).filter(|runs| runs.release == release && runs.digest == digest && runs.summary.is_some());
    if runs.is_none() || shop.registry.tagged(IMAGE, environment) != digest {
        return Err(format!("{environment} does not run {release}"));
    }
    shop.replies_to(asked).last().map(|end| unfolded(end)).ok_or_else(|| "its end was not said".into())
}

/// What a note shows before somebody opens its folded parts.
fn unfolded(note: &str) -> String {
    let (mut shown, mut rest) = (String::new(), note);
    while let Some((before, after)) = rest.split_once("<details>") {
        shown.push_str(before);
        rest = after.split_once("</details>").map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    while shown.contains("\n\n\n") {
        shown = shown.replace("\n\n\n", "\n\n");
    }
    shown.trim_end().to_owned()
}
