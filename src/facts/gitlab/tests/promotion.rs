//! Rights, deployments and what lies between two releases.

use super::*;
use crate::gitlab_client::testing::quick;
use crate::model::environment::{Allow, Environment};
use crate::model::gitlab::{DeploymentId, MergeRequestIid};
use crate::verdict::promotion::{Right, RightRule};

pub(super) type Objects = Vec<(&'static str, Value)>;

pub(super) const ANA: UserId = UserId(5);
pub(super) const RULE: &str = "GET /projects/7/protected_environments/production";

pub(super) fn account(state: &str, bot: bool) -> (&'static str, Value) {
    ("GET /users/5", json!({"id": 5, "username": "ana", "name": "Ana", "state": state, "locked": false, "bot": bot}))
}

fn membership(id: u64, level: u64) -> Value {
    let mut member = user(id);
    member["username"] = json!(format!("user{id}"));
    member["access_level"] = json!(level);
    member["expires_at"] = json!(null);
    member
}

pub(super) fn in_project(level: u64) -> (&'static str, Value) {
    ("GET /projects/7/members/all/5", membership(5, level))
}

pub(super) fn rule(rows: Value) -> (&'static str, Value) {
    (RULE, json!({"name": "production", "deploy_access_levels": rows, "required_approval_count": 0, "approval_rules": []}))
}

pub(super) fn row(level: Option<u64>, user: Option<u64>, group: Option<u64>, inherited: u64) -> Value {
    json!({"id": 1, "access_level": level, "access_level_description": "Releasers", "user_id": user, "group_id": group,
        "group_inheritance_type": inherited})
}

pub(super) fn production(allow: Allow) -> Environment {
    Environment { allow, ..Environment::named("production") }
}

/// Where every look at somebody's right also looks: an environment that GitLab does not have, so that no rule of a group holds, and
/// our own account.
fn beside() -> Objects {
    vec![("GET /projects/7/environments", json!([])), ("GET /user", user(99))]
}

async fn right_under(allow: Allow, objects: Objects) -> Looked<Right> {
    world([objects, beside()].concat()).await.1.right(P, ANA, &production(allow)).await
}

async fn right(objects: Objects) -> Looked<Right> {
    right_under(Allow::default(), objects).await
}

pub(super) fn may(looked: &Looked<Right>) -> Option<bool> {
    looked.found().map(|right| right.may_deploy)
}

#[tokio::test]
async fn without_a_rule_of_gitlab_the_configured_role_and_groups_decide() {
    let found = right(vec![account("active", false), in_project(40)]).await;
    let expected = Right {
        active: true,
        access_level: 40,
        may_deploy: true,
        rule: RightRule::Configured,
        who: "the role Maintainer".into(),
        people: None,
        required_approvals: 0,
        machine: false,
    };
    assert_eq!(found, Looked::Found(expected));
    assert_eq!(may(&right(vec![account("active", false), in_project(30)]).await), Some(false));
    let developers = Allow { role: 30, groups: vec![] };
    assert_eq!(may(&right_under(developers, vec![account("active", false), in_project(30)]).await), Some(true));

    // Role and group: one of the groups, by its full path.
    let grouped = || Allow { role: 30, groups: vec!["shop/ops".into(), "shop/releases".into()] };
    let member = ("GET /groups/shop%2Freleases/members/all/5", membership(5, 20));
    let both = || vec![account("active", false), in_project(30)];
    let passes = right_under(grouped(), [both(), vec![member.clone()]].concat()).await;
    assert_eq!(may(&passes), Some(true));
    assert_eq!(passes.found().unwrap().who, "the role Developer in group shop/ops or group shop/releases");
    assert_eq!(may(&right_under(grouped(), both()).await), Some(false));
    assert_eq!(may(&right_under(grouped(), vec![account("active", false), in_project(20), member]).await), Some(false));
    let expired = ("GET /groups/shop%2Freleases/members/all/5", {
        let mut member = membership(5, 30);
        member["expires_at"] = json!("2020-01-01");
        member
    });
    assert_eq!(may(&right_under(grouped(), [both(), vec![expired]].concat()).await), Some(false));
}

#[tokio::test]
async fn gitlabs_own_rule_decides_where_there_is_one() {
    let check = async |rows: Value, level: u64, more: Objects, expected: bool| {
        let objects = [vec![account("active", false), in_project(level), rule(rows.clone())], more].concat();
        let found = right(objects).await;
        assert_eq!(may(&found), Some(expected), "{rows} at {level}");
        assert_eq!(found.found().unwrap().rule, RightRule::ProtectedEnvironment);
    };
    let direct = |level| vec![("GET /groups/9/members/5", membership(5, level))];
    let inherited = |level| vec![("GET /groups/9/members/all/5", membership(5, level))];
    check(json!([row(Some(40), None, None, 0)]), 40, vec![], true).await;
    check(json!([row(Some(40), None, None, 0)]), 30, vec![], false).await;
    // Administrators only; "no one"; no row at all.
    check(json!([row(Some(60), None, None, 0)]), 50, vec![], false).await;
    check(json!([row(Some(0), None, None, 0)]), 50, vec![], false).await;
    check(json!([]), 50, vec![], false).await;
    // A role beside a user or a group means nothing.
    check(json!([row(Some(40), Some(6), None, 0)]), 50, vec![], false).await;
    check(json!([row(Some(40), Some(5), None, 0)]), 20, vec![], true).await;
    check(json!([row(Some(40), None, Some(9), 0)]), 50, vec![], false).await;
    check(json!([row(None, None, Some(9), 0)]), 20, direct(20), true).await;
    check(json!([row(None, None, Some(9), 0)]), 20, inherited(20), false).await;
    check(json!([row(None, None, Some(9), 1)]), 20, inherited(20), true).await;
    check(json!([row(None, None, Some(9), 0)]), 20, direct(5), false).await;
    // One row is enough.
    check(json!([row(Some(60), None, None, 0), row(None, None, Some(9), 0), row(Some(30), None, None, 0)]), 30, vec![], true).await;
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_no_right_and_no_absence() {
    let objects = || [vec![account("active", false), in_project(40), rule(json!([row(None, None, Some(9), 0)]))], beside()].concat();
    let paths = [
        "/users/5",
        "/projects/7/environments",
        "/projects/7/members/all/5",
        "/projects/7/protected_environments/production",
        "/groups/9/members/5",
    ];
    for path in paths {
        for (status, expected) in [(401, WhyKind::Refused), (403, WhyKind::Refused), (429, WhyKind::Limited), (502, WhyKind::Down)] {
            let objects = objects();
            let world = Scripted::start_with(quick(), move |asked| {
                if asked.what() == format!("GET {path}") {
                    return Answer::json(status, json!({"message": "no"})).header("retry-after", "99");
                }
                let found = objects.iter().find(|(what, _)| *what == asked.what());
                found.map_or_else(Answer::missing, |(_, value)| Answer::json(200, value.clone()))
            });
            let looked = Gitlab::new(world.await.client.clone()).right(P, ANA, &production(Allow::default())).await;
            assert_eq!(kind(&looked), Some(expected), "{status} for {path}");
        }
    }
    // A group that our token does not see holds nobody that we know of; it is not empty.
    for message in ["404 Group Not Found", "404 Project Not Found"] {
        let objects = objects();
        let world = Scripted::start(move |asked| {
            let found = objects.iter().find(|(what, _)| *what == asked.what());
            found.map_or_else(|| Answer::json(404, json!({ "message": message })), |(_, value)| Answer::json(200, value.clone()))
        });
        let looked = Gitlab::new(world.await.client.clone()).right(P, ANA, &production(Allow::default())).await;
        assert_eq!(kind(&looked), Some(WhyKind::Refused), "{message}");
    }
}

#[tokio::test]
async fn an_odd_rule_is_unreadable() {
    let good = rule(json!([row(Some(30), None, None, 0)])).1;
    let with = |field: &str, value: Value| {
        let mut odd = good.clone();
        odd[field] = value;
        odd
    };
    let many: Vec<Value> = (0..51).map(|_| row(Some(60), None, None, 0)).collect();
    let odd = [
        with("name", json!("staging")),
        with("deploy_access_levels", json!(null)),
        with("deploy_access_levels", json!([row(None, None, None, 0)])),
        with("deploy_access_levels", json!([row(None, Some(5), Some(9), 0)])),
        with("deploy_access_levels", json!([row(None, None, Some(9), 2)])),
        with("required_approval_count", json!("one")),
        with("deploy_access_levels", json!(many)),
    ];
    for odd in odd {
        let looked = right(vec![account("active", false), in_project(40), (RULE, odd.clone())]).await;
        assert!(matches!(kind(&looked), Some(WhyKind::Unreadable | WhyKind::TooLarge)), "{odd} {looked:?}");
    }
    let mut other = account("active", false).1;
    other["id"] = json!(6);
    assert_eq!(kind(&right(vec![("GET /users/5", other), in_project(40)]).await), Some(WhyKind::Unreadable));
}

#[tokio::test]
async fn blocked_people_strangers_and_machines_are_told_apart() {
    for state in ["blocked", "deactivated", "banned"] {
        let found = right(vec![account(state, false), in_project(50)]).await;
        assert_eq!((may(&found), found.found().unwrap().active), (Some(false), false), "{state}");
    }
    let mut away = in_project(50);
    away.1["membership_state"] = json!("awaiting");
    assert_eq!(may(&right(vec![account("active", false), away]).await), Some(false));
    let stranger = right(vec![account("active", false)]).await;
    assert_eq!((may(&stranger), stranger.found().unwrap().access_level), (Some(false), 0));
    assert!(right(vec![account("active", true), in_project(50)]).await.found().unwrap().machine);
    assert_eq!(right(vec![]).await, Looked::Absent);
}

#[tokio::test]
async fn a_refusal_says_how_many_people_may_where_one_page_tells() {
    let mut gone = membership(13, 50);
    gone["state"] = json!("blocked");
    let mut bot = membership(14, 40);
    bot["username"] = json!("project_7_bot_1f");
    // 15: a service account, which a listing shows as it shows people; 99: the account that we run under.
    let members = json!([
        membership(5, 30),
        membership(11, 40),
        membership(11, 40),
        membership(12, 50),
        membership(15, 50),
        gone,
        bot,
        membership(99, 50)
    ]);
    let listing = ("GET /projects/7/members/all", members);
    let people = |bots: &[u64]| -> Objects {
        let account = |id: u64| json!({"id": id, "state": "active", "locked": false, "bot": bots.contains(&id)});
        let what = |id: u64| -> &'static str { Box::leak(format!("GET /users/{id}").into_boxed_str()) };
        [11, 12, 15, 21, 22, 99].map(|id| (what(id), account(id))).to_vec()
    };
    let asks = || [vec![account("active", false), in_project(30)], people(&[15])].concat();
    let found = right([asks(), vec![listing.clone()]].concat()).await;
    assert_eq!(found.found().unwrap().people, Some(2));
    // Only machines are left.
    let found = right([vec![account("active", false), in_project(30), listing.clone()], people(&[11, 12, 15])].concat()).await;
    assert_eq!(found.found().unwrap().people, Some(0));

    let rows = json!([row(Some(50), None, None, 0), row(None, Some(21), None, 0), row(None, None, Some(9), 1)]);
    let group = ("GET /groups/9/members/all", json!([membership(12, 30), membership(22, 30)]));
    let objects = [asks(), vec![listing.clone(), rule(rows.clone()), group.clone()]].concat();
    let found = right(objects.clone()).await;
    assert_eq!(found.found().map(|right| (right.may_deploy, right.people)), Some((false, Some(3))));
    assert_eq!(found.found().unwrap().who, "the role Owner or Releasers or group Releasers");
    // A bot that the rule names deploys, and is nobody to ask.
    let objects_with_bot = [vec![account("active", false), in_project(30), listing, rule(rows), group], people(&[15, 21])].concat();
    let found = right(objects_with_bot).await;
    assert_eq!(found.found().map(|right| (right.who.as_str(), right.people)), Some(("the role Owner or group Releasers", Some(2))));

    // Not known is not none.
    let found = right(objects.into_iter().filter(|(what, _)| !what.starts_with("GET /groups")).collect()).await;
    assert_eq!(found.found().map(|right| (right.may_deploy, right.people)), Some((false, None)));
    let many: Vec<Value> = (100..200).map(|id| membership(id, 50)).collect();
    let found = right(vec![account("active", false), in_project(30), ("GET /projects/7/members/all", json!(many))]).await;
    assert_eq!(found.found().unwrap().people, None);
}

#[tokio::test]
async fn gitlabs_own_approvals_are_counted() {
    let check = async |count: u64, rules: Value, expected: u64| {
        let mut rule = rule(json!([row(Some(30), None, None, 0)]));
        rule.1["required_approval_count"] = json!(count);
        rule.1["approval_rules"] = rules;
        let found = right(vec![account("active", false), in_project(30), rule]).await;
        assert_eq!(found.found().map(|right| right.required_approvals), Some(expected));
    };
    check(2, json!([]), 2).await;
    check(0, json!([{"id": 1, "required_approvals": 1}, {"id": 2, "required_approvals": 2}]), 3).await;
}

#[tokio::test]
async fn members_are_active_people_of_a_role() {
    let mut blocked = membership(3, 50);
    blocked["state"] = json!("blocked");
    let listing = json!([membership(1, 20), membership(2, 40), blocked]);
    let (_, gitlab) = world(vec![("GET /projects/7/members/all", listing)]).await;
    let found = gitlab.members(P, 30).await;
    assert_eq!(found.found().unwrap().iter().map(|user| user.id.0).collect::<Vec<_>>(), [2]);
    let many: Vec<Value> = (0..100).map(|id| membership(id, 50)).collect();
    let (_, gitlab) = world(vec![("GET /projects/7/members/all", json!(many))]).await;
    assert_eq!(kind(&gitlab.members(P, 30).await), Some(WhyKind::TooLarge));
}

fn deployment(id: u64, status: &str) -> Value {
    json!({"id": id, "sha": SHA, "ref": "v1", "status": status, "environment": {"name": "production"},
        "deployable": {"tag": true, "finished_at": "2026-05-04T13:50:00Z"},
        "created_at": "2026-05-04T13:41:00Z", "updated_at": "2026-05-04T13:42:00Z"})
}

#[tokio::test]
async fn deployments_come_newest_first_and_of_the_environment_asked_for() {
    let name = EnvironmentName("production".into());
    let rows = json!([deployment(6, "running"), deployment(5, "success")]);
    let objects = || {
        vec![
            ("GET /projects/7/deployments", rows.clone()),
            ("GET /projects/7/deployments/5", deployment(5, "failed")),
            ("GET /projects/7/deployments/6", deployment(5, "failed")),
        ]
    };
    let (world_, gitlab) = world(objects()).await;
    let found = gitlab.deployments(P, &name, Deployed::Any, 5).await;
    let told: Vec<_> = found.found().unwrap().iter().map(|held| (held.id.0, held.status.as_str())).collect();
    assert_eq!(told, [(6, "running"), (5, "success")]);
    let target = &world_.asked()[0].target;
    assert!(target.contains("per_page=5") && target.contains("sort=desc") && !target.contains("status="), "{target}");
    // A row that is not what was asked for fails the whole.
    assert_eq!(kind(&gitlab.deployments(P, &name, Deployed::Succeeded, 5).await), Some(WhyKind::Unreadable));
    assert_eq!(kind(&gitlab.deployments(P, &EnvironmentName("staging".into()), Deployed::Any, 5).await), Some(WhyKind::Unreadable));
    assert_eq!(gitlab.deployment(P, DeploymentId(5)).await.found().map(|held| held.status.as_str()), Some("failed"));
    assert_eq!(kind(&gitlab.deployment(P, DeploymentId(6)).await), Some(WhyKind::Unreadable));
    assert_eq!(gitlab.deployment(P, DeploymentId(7)).await, Looked::Absent);
}

#[tokio::test]
async fn a_job_is_found_by_its_name_and_newest() {
    let named = |id: u64, name: &str| {
        let mut job = job(id, SHA);
        job["name"] = json!(name);
        job
    };
    let jobs = json!([named(21, "deploy"), named(23, "deploy"), named(24, "test")]);
    let (_, gitlab) = world(vec![("GET /projects/7/pipelines/9/jobs", jobs)]).await;
    assert_eq!(gitlab.job_named(P, PipelineId(9), "deploy").await.found().map(|job| job.id), Some(JobId(23)));
    assert_eq!(gitlab.job_named(P, PipelineId(9), "other").await, Looked::Absent);
    assert_eq!(gitlab.job_named(P, PipelineId(8), "deploy").await, Looked::Absent);
}

#[tokio::test]
async fn commits_between_two_releases_come_with_their_merge_requests() {
    let commit = |sha: &str| json!({"id": sha, "title": "Retry", "web_url": "https://x/c"});
    let log = "GET /projects/7/repository/commits";
    let of = |sha: &str| -> &'static str { Box::leak(format!("{log}/{sha}/merge_requests").into_boxed_str()) };
    let objects = vec![
        (log, json!([commit(SHA), commit(OTHER)])),
        (of(SHA), json!([merge_request(2, "merged"), merge_request(1, "merged")])),
        (of(OTHER), json!([merge_request(1, "merged")])),
        ("GET /projects/7/merge_requests/1", merge_request(1, "merged")),
        ("GET /projects/7/merge_requests/2", merge_request(2, "merged")),
    ];
    let (world_, gitlab) = world(objects.clone()).await;
    let other: CommitSha = OTHER.parse().unwrap();
    let found = gitlab.commits_between(P, &other, &sha(), 10).await;
    let found = found.found().unwrap();
    assert_eq!((found.commits.len(), found.more), (2, false));
    assert_eq!(found.merge_requests.iter().map(|held| held.iid).collect::<Vec<_>>(), [MergeRequestIid(1), MergeRequestIid(2)]);
    let target = &world_.asked()[0].target;
    assert!(target.contains(&format!("ref_name={OTHER}..{SHA}")) && target.contains("per_page=11"), "{target}");
    let few = gitlab.commits_between(P, &other, &sha(), 1).await;
    assert_eq!(few.found().map(|found| (found.commits.len(), found.more)), Some((1, true)));
    let broken = objects.into_iter().map(|(what, value)| if what == of(OTHER) { (what, json!({})) } else { (what, value) }).collect();
    assert_eq!(kind(&world(broken).await.1.commits_between(P, &other, &sha(), 10).await), Some(WhyKind::Unreadable));
}
