//! Who am I, who is that, which GitLab is this.

use serde_json::json;

use crate::model::gitlab::UserId;
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{Refused, World};

pub fn current(ask: &Ask, world: &mut World) -> Answer {
    Ok(Reply::ok(present::current_user(world, ask.me()?)))
}

pub fn by_id(ask: &Ask, world: &mut World) -> Answer {
    ask.me()?;
    let id = UserId(ask.id("user")?);
    if world.users.contains_key(&id) { Ok(Reply::ok(present::user(world, id))) } else { Err(Refused::NotFound("User")) }
}

pub fn version(ask: &Ask, world: &mut World) -> Answer {
    metadata(ask, world)
}

pub fn metadata(ask: &Ask, world: &mut World) -> Answer {
    ask.me()?;
    Ok(Reply::ok(json!({
        "version": world.switches.version,
        "revision": "5a3b2c1d0e9",
        "kas": {"enabled": false, "externalUrl": null, "externalK8sProxyUrl": null, "version": null},
        "enterprise": world.switches.enterprise,
    })))
}

pub fn own_token(ask: &Ask, world: &mut World) -> Answer {
    let me = ask.me()?;
    let used = world.tokens.iter().filter(|token| token.user == me && !token.revoked).max_by_key(|token| token.last_used_at);
    used.map(|token| Reply::ok(present::token(world, token))).ok_or(Refused::Unauthorized)
}
