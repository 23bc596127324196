//! The buttons of the page: what happens in a project, and what goes wrong in one.

use super::{LAPTOP, NEXT, RELEASE};
use crate::model::Digest;
use crate::model::gitlab::PipelineId;
use crate::sandbox::shop::{IMAGE, Shop};

/// The reason that the halt button gives.
const HALTED: &str = "Halted by the button of the demo.";

/// Does what a button says, and tells it. `None`: there is no such button.
pub fn run(shop: &Shop, act: &str) -> Option<std::io::Result<String>> {
    Some(match act {
        "push-tag" => built(shop.release(RELEASE), shop, RELEASE),
        "next-tag" => built(shop.release_next(NEXT), shop, NEXT),
        "move-tag" => {
            Ok(format!("The registry tag {RELEASE} now names {}. The bot looks again within seconds.", shop.move_tag(RELEASE).short()))
        }
        "restore-tag" => shop.restore_tag(RELEASE).map(|built| format!("The registry tag {RELEASE} names {} again.", built.short())),
        "laptop" => shop.push_from_laptop(LAPTOP).map(|digest| {
            shop.publish(LAPTOP);
            format!("{LAPTOP} was built and signed on a laptop: {}.", digest.short())
        }),
        "by-hand" => by_hand(shop),
        "fail-next" => {
            shop.fail_next_deployment();
            Ok("The next deploy job will fail. Promote something.".into())
        }
        "halt" => shop.halt(Some(HALTED)).map(|()| "The halt switch is on. Promote something.".into()),
        "go-on" => shop.halt(None).map(|()| "The halt switch is off: promotions go on.".into()),
        _ => return None,
    })
}

/// The buttons that can be pressed now.
pub fn possible(shop: &Shop) -> Vec<&'static str> {
    let there = |tag: &str| shop.registry.tagged(IMAGE, tag);
    let mut can = vec![];
    match there(RELEASE) {
        None => can.push("push-tag"),
        built if built == there(shop.commit.short()) => can.push("move-tag"),
        Some(_) => can.push("restore-tag"),
    }
    if there(RELEASE).is_some() {
        can.extend([(NEXT, "next-tag"), (LAPTOP, "laptop")].into_iter().filter(|(tag, _)| there(tag).is_none()).map(|(_, act)| act));
    }
    if other_release(shop).is_some() {
        can.push("by-hand");
    }
    if !shop.next_deployment_fails() {
        can.push("fail-next");
    }
    can.push(if shop.is_halted() { "go-on" } else { "halt" });
    can
}

fn built(made: std::io::Result<(PipelineId, Digest)>, shop: &Shop, tag: &str) -> std::io::Result<String> {
    let (pipeline, digest) = made?;
    shop.publish(tag);
    Ok(format!("Pipeline #{pipeline} built and signed {}. Look at the release and at the comments.", digest.short()))
}

/// A release that production does not run, once it runs one.
fn other_release(shop: &Shop) -> Option<&'static str> {
    let runs = shop.runs("production")?.release;
    [RELEASE, NEXT].into_iter().find(|tag| *tag != runs && shop.registry.tagged(IMAGE, tag).is_some())
}

fn by_hand(shop: &Shop) -> std::io::Result<String> {
    let started = other_release(shop).and_then(|tag| shop.deploy_by_hand(tag, "production").map(|job| (tag, job)));
    let (tag, job) = started.ok_or_else(|| std::io::Error::other("no other release has a deploy job that can be started now"))?;
    Ok(format!("Rita runs the deploy job #{job} of {tag} by hand. Nobody asked the bot."))
}
