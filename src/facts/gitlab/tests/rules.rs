//! Rules of groups above a project, by deployment tier.

use super::promotion::*;
use super::*;
use crate::gitlab_client::testing::quick;
use crate::model::environment::Allow;
use crate::verdict::promotion::{Right, RightRule};

const ABOVE: [&str; 2] = ["GET /groups/shop/protected_environments", "GET /groups/shop%2Fbackend/protected_environments"];
const GRAPHQL: &str = "POST /api/graphql";

/// A project two groups deep, in which the person has a role; `production` is of the tier of that name.
fn deep(level: u64) -> Objects {
    let place = json!({"id": 7, "path_with_namespace": "shop/backend/api", "namespace": {"kind": "group", "full_path": "shop/backend"}});
    let environments = json!([{"name": "production", "tier": "production"}, {"name": "prod/eu", "tier": "other"}]);
    let listed = ("GET /projects/7/environments", environments);
    vec![account("active", false), in_project(level), ("GET /projects/7", place), listed, ("GET /user", user(99))]
}

fn tier(tier: &str, level: u64) -> Value {
    json!({"name": tier, "deploy_access_levels": [row(Some(level), None, None, 0)], "required_approval_count": 0})
}

async fn asked(objects: Objects) -> Looked<Right> {
    world(objects).await.1.right(P, ANA, &production(Allow::default())).await
}

#[tokio::test]
async fn somebody_must_pass_the_rules_of_the_project_and_of_every_group_above() {
    let check = async |level: u64, own: Option<u64>, above: [Value; 2], expected: (bool, RightRule, &str)| {
        let own = own.map(|least| rule(json!([row(Some(least), None, None, 0)])));
        let above: Objects = ABOVE.into_iter().zip(above).collect();
        let found = asked([deep(level), own.into_iter().collect(), above.clone()].concat()).await;
        let found = found.found().unwrap().clone();
        assert_eq!((found.may_deploy, found.rule, found.who.as_str()), expected, "{level} {above:?}");
    };
    let none = || json!([]);
    let gitlab = RightRule::ProtectedEnvironment;
    check(40, None, [none(), none()], (true, RightRule::Configured, "the role Maintainer")).await;
    check(40, None, [json!([tier("production", 50)]), none()], (false, gitlab, "the role Owner")).await;
    check(50, None, [json!([tier("production", 50)]), none()], (true, gitlab, "the role Owner")).await;
    // The configured role is not asked for where GitLab has a rule.
    check(30, None, [none(), json!([tier("production", 30)])], (true, gitlab, "the role Developer")).await;
    let both = "the role Developer and also the role Maintainer";
    check(30, Some(30), [none(), json!([tier("production", 40)])], (false, gitlab, both)).await;
    check(40, Some(30), [none(), json!([tier("production", 40)])], (true, gitlab, both)).await;
    let lower = "the role Maintainer and also the role Developer";
    check(30, Some(40), [json!([tier("production", 30)]), none()], (false, gitlab, lower)).await;
    // Another tier is another rule.
    check(40, None, [json!([tier("staging", 60)]), none()], (true, RightRule::Configured, "the role Maintainer")).await;
}

#[tokio::test]
async fn a_group_that_shows_no_rules_to_our_token_is_not_one_without_rules() {
    let told = |own: usize, above: usize| {
        let node = |own: bool| json!({"project": own.then(|| json!({"id": "gid://gitlab/Project/7"}))});
        let nodes: Vec<Value> = std::iter::repeat_n(node(true), own).chain(std::iter::repeat_n(node(false), above)).collect();
        json!({"data": {"project": {"environment": {"protectedEnvironments": {"nodes": nodes}}}}})
    };
    let nothing = json!({"data": {"project": {"environment": null}}});
    let no_field = json!({"errors": [{"message": "Field 'protectedEnvironments' doesn't exist on type 'Environment'"}]});
    let check = async |status: u16, message: &str, said: Option<Value>, expected: Result<bool, WhyKind>| {
        let (objects, message) = (deep(40), message.to_owned());
        let world = Scripted::start_with(quick(), move |asked| match asked.what().as_str() {
            what if what == ABOVE[0] => Answer::json(status, json!({ "message": message })),
            what if what == ABOVE[1] => Answer::json(200, json!([])),
            GRAPHQL => said.clone().map_or_else(Answer::missing, |said| Answer::json(200, said)),
            what => {
                objects.iter().find(|(held, _)| held == &what).map_or_else(Answer::missing, |(_, value)| Answer::json(200, value.clone()))
            }
        });
        let looked = Gitlab::new(world.await.client.clone()).right(P, ANA, &production(Allow::default())).await;
        let found = looked.found().map(|right| right.may_deploy).ok_or_else(|| kind(&looked).unwrap());
        assert_eq!(found, expected, "{status} {looked:?}");
    };
    let refused = Err(WhyKind::Refused);
    for (status, message) in [(403, "403 Forbidden"), (404, "404 Group Not Found")] {
        check(status, message, Some(told(0, 0)), Ok(true)).await;
        check(status, message, Some(told(1, 0)), Ok(true)).await;
        check(status, message, Some(told(0, 1)), refused).await;
        check(status, message, Some(told(1, 2)), refused).await;
        for said in [Some(nothing.clone()), Some(no_field.clone()), Some(json!({"data": {"project": null}})), None] {
            check(status, message, said, refused).await;
        }
    }
    // A Community Edition has no such thing; an outage is an outage, whatever GraphQL would say.
    check(404, "404 Not Found", None, Ok(true)).await;
    check(502, "no", Some(told(0, 0)), Err(WhyKind::Down)).await;
    check(401, "401 Unauthorized", Some(told(0, 0)), refused).await;
}

#[tokio::test]
async fn a_bot_that_maintains_nothing_goes_by_what_graphql_says_of_the_project() {
    let said = |nodes: Value| json!({"data": {"project": {"environment": {"protectedEnvironments": {"nodes": nodes}}}}});
    let check = async |nodes: Value, expected: Option<bool>| {
        let objects = [deep(40), vec![(GRAPHQL, said(nodes))]].concat();
        let world = Scripted::start_with(quick(), move |asked| {
            if asked.what() == RULE {
                return Answer::json(403, json!({"message": "403 Forbidden"}));
            }
            let found = objects.iter().find(|(what, _)| *what == asked.what());
            found.map_or_else(Answer::missing, |(_, value)| Answer::json(200, value.clone()))
        });
        let looked = Gitlab::new(world.await.client.clone()).right(P, ANA, &production(Allow::default())).await;
        assert_eq!(may(&looked), expected, "{looked:?}");
    };
    check(json!([]), Some(true)).await;
    check(json!([{"project": {"id": "gid://gitlab/Project/7"}}]), None).await;
}

#[tokio::test]
async fn only_groups_above_a_project_have_rules_for_it() {
    let mut own = deep(40);
    own[2].1 = json!({"id": 7, "path_with_namespace": "ana/api", "namespace": {"kind": "user", "full_path": "ana"}});
    assert_eq!(may(&asked(own.clone()).await), Some(true));
    own[2].1["namespace"]["kind"] = json!("other");
    assert_eq!(kind(&asked(own.clone()).await), Some(WhyKind::Unreadable));
    own[2].1["id"] = json!(8);
    assert_eq!(kind(&asked(own).await), Some(WhyKind::Unreadable));
    let deep_path = vec!["a"; 21].join("/");
    let mut far = deep(40);
    far[2].1["namespace"]["full_path"] = json!(deep_path);
    assert_eq!(kind(&asked(far).await), Some(WhyKind::TooLarge));
}

#[tokio::test]
async fn approvals_of_several_rules_are_all_needed() {
    let with = |count: u64, rules: Value| {
        let mut held = tier("production", 30);
        held["required_approval_count"] = json!(count);
        held["approval_rules"] = rules;
        json!([held])
    };
    let check = async |above: [Value; 2], expected: u64| {
        let found = asked([deep(40), ABOVE.into_iter().zip(above).collect()].concat()).await;
        assert_eq!(found.found().map(|right| right.required_approvals), Some(expected));
    };
    check([with(1, json!([])), with(2, json!([]))], 2).await;
    check([with(0, json!([{"required_approvals": 1}])), with(0, json!([{"required_approvals": 2}]))], 3).await;
    check([with(2, json!([])), with(0, json!([{"required_approvals": 1}]))], 2).await;
}
