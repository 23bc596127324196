//! Threads.

use super::notes::{may_comment, may_edit, noted, visible};
use crate::model::gitlab::NoteId;
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{Level, MergeRequestKey, NOTHING, NewNote, Noted, Refused, World};

fn find(ask: &Ask, world: &World) -> Result<MergeRequestKey, Refused> {
    ask.me()?;
    let key = ask.merge_request(world)?;
    let held = world.merge_request(key).discussion(ask.part("discussion")).ok_or(Refused::NotFound("Discussion"))?;
    if held.notes.iter().all(|note| visible(ask, world, key, note)) { Ok(key) } else { Err(Refused::NotFound("Discussion")) }
}

pub fn list(ask: &Ask, world: &mut World) -> Answer {
    ask.me()?;
    let key = ask.merge_request(world)?;
    let seen = world.merge_request(key).discussions.iter().filter(|held| held.notes.iter().all(|note| visible(ask, world, key, note)));
    ask.page(world, seen.map(|held| present::discussion(world, key, held)).collect())
}

pub fn create(ask: &Ask, world: &mut World) -> Answer {
    let body = ask.required("body")?;
    let me = ask.me()?;
    let key = ask.merge_request(world)?;
    may_comment(world, key, me)?;
    match world.add_note(key, me, NewNote { body, thread: true, ..NewNote::default() })? {
        Noted::Stored(id) => {
            let (held, _) = world.merge_request(key).note(id).ok_or(NOTHING)?;
            Ok(Reply::created(present::discussion(world, key, held)))
        }
        commands @ Noted::Commands(_) => noted(world, key, commands, Reply::created),
    }
}

pub fn show(ask: &Ask, world: &mut World) -> Answer {
    let key = find(ask, world)?;
    let held = world.merge_request(key).discussion(ask.part("discussion")).ok_or(NOTHING)?;
    Ok(Reply::ok(present::discussion(world, key, held)))
}

/// A Developer or the merge request's author resolves.
pub fn resolve(ask: &Ask, world: &mut World) -> Answer {
    let Some(resolved) = ask.flag("resolved")? else { return Err(Refused::Parameters("resolved is missing".into())) };
    let key = find(ask, world)?;
    let me = ask.me()?;
    let held = world.merge_request(key);
    if world.level(key.project, me) < Level::Developer && held.author != me {
        return Err(Refused::Forbidden(""));
    }
    if held.discussion(ask.part("discussion")).is_some_and(|held| held.individual) {
        return Err(Refused::Bad("400 Bad request - Discussion is not resolvable".into()));
    }
    world.resolve(key, ask.part("discussion"), me, resolved);
    show(ask, world)
}

pub fn reply(ask: &Ask, world: &mut World) -> Answer {
    let body = ask.required("body")?;
    let key = find(ask, world)?;
    may_comment(world, key, ask.me()?)?;
    let thread = world.merge_request(key).discussion(ask.part("discussion")).map(|held| held.id.clone());
    let written = world.add_note(key, ask.me()?, NewNote { body, reply_to: thread, ..NewNote::default() })?;
    noted(world, key, written, Reply::created)
}

/// Exactly one of `body` and `resolved`.
pub fn update_note(ask: &Ask, world: &mut World) -> Answer {
    let (body, resolved) = (ask.text("body"), ask.flag("resolved")?);
    let key = find(ask, world)?;
    let (id, me) = (NoteId(ask.id("note")?), ask.me()?);
    let (held, note) = world.merge_request(key).note(id).filter(|(held, _)| held.id.0 == ask.part("discussion")).ok_or(NOTHING)?;
    let (discussion, editable) = (held.id.0.clone(), may_edit(world, key, note, me));
    match (body, resolved) {
        (Some(body), None) if editable => {
            let written = world.edit_note(key, id, me, &body)?;
            noted(world, key, written, Reply::ok)
        }
        (Some(_), None) => Err(Refused::Forbidden("")),
        (None, Some(resolved)) => {
            world.resolve(key, &discussion, me, resolved);
            noted(world, key, Noted::Stored(id), Reply::ok)
        }
        (None, None) => Err(Refused::Parameters("body, resolved are missing, exactly one parameter must be provided".into())),
        (Some(_), Some(_)) => Err(Refused::Parameters("body, resolved are mutually exclusive".into())),
    }
}
