//! What promotions ask of GitLab: values of jobs and pipelines, second runs, protected environments, groups. Where the bot has hands
//! or eyes for it, they are used, so that bot and double are held to each other.

use countersign::effects::{Hands, NotDone};
use countersign::facts::gitlab::{Deployed, Gitlab as Eyes};
use countersign::gitlab_client::{GitlabClient, Settings};
use countersign::model::environment::{Allow, Carrier, Environment};
use countersign::model::gitlab::{CiStatus, GitRef, InstanceName, JobId, PipelineId, ProjectKey, UserId};
use countersign::model::promotion::{Act, Left, PromotionId};
use countersign::model::{EnvironmentName, Secret, Timestamp};
use countersign::sandbox::gitlab::state::{Grant, JobSpec, Level, RunsOn};
use countersign::verdict::promotion::RightRule;
use countersign::verdict::{Clearance, Looked, WhyKind, judge, testing};
use http::Method;
use serde_json::{Value, json};

use crate::Shop;

/// A shop with the bot in it.
struct Stage {
    shop: Shop,
    bot: UserId,
    token: String,
    eyes: Eyes,
    hands: Hands,
}

impl Stage {
    async fn open() -> Self {
        Self::with(Level::Maintainer).await
    }

    async fn with(level: Level) -> Self {
        let shop = Shop::open().await.with_ci();
        let (bot, token) = shop.gitlab.world().add_bot(shop.project, "Countersign", level);
        let name = InstanceName("main".into());
        let settings = Settings { name, url: shop.gitlab.url().parse().unwrap(), token: Secret::new(&token).unwrap(), ca_pem: None };
        let client = GitlabClient::new(&settings).unwrap();
        Self { eyes: Eyes::new(client.clone()), hands: Hands::new([client]), shop, bot, token }
    }

    fn key(&self) -> ProjectKey {
        ProjectKey { instance: InstanceName("main".into()), id: self.shop.project }
    }

    /// A release pipeline whose other jobs have passed.
    fn released(&self) -> PipelineId {
        let pipeline = self.shop.tag("v1");
        self.shop.gitlab.world().pass_pipeline(pipeline);
        pipeline
    }

    async fn step(&self, promotion: &str, act: &Act, began_before: Option<Timestamp>) -> Result<Left, NotDone> {
        let (key, promotion) = (self.key(), PromotionId(promotion.into()));
        let environment = countersign::model::EnvironmentName("production".into());
        let place = countersign::effects::promote::Place { project: &key, promotion: &promotion, environment: &environment, step: 0 };
        self.hands.step(&clearances(), place, act, began_before).await
    }

    fn play(&self, pipeline: PipelineId, carrier: Carrier) -> Act {
        Act::PlayJob { pipeline, job: "deploy".into(), carrier, values: values() }
    }

    fn now(&self) -> Timestamp {
        self.shop.gitlab.world().now()
    }

    async fn may(&self, user: UserId, environment: &Environment) -> Looked<bool> {
        self.eyes.right(self.shop.project, user, environment).await.map(|right| right.may_deploy)
    }
}

fn clearances() -> Vec<Clearance> {
    vec![judge(&testing::good_facts(), &testing::good_policy()).clear(&EnvironmentName("production".into())).unwrap()]
}

fn values() -> Vec<(String, String)> {
    vec![("IMAGE".into(), clearances()[0].image().to_string())]
}

fn production() -> Environment {
    Environment::named("production")
}

fn never(done: &Result<Left, NotDone>) -> &str {
    match done {
        Err(NotDone::Never(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn job_of(done: &Result<Left, NotDone>) -> JobId {
    match done {
        Ok(Left::Job { id }) => *id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_played_job_holds_the_variables_and_who_played_it() {
    let stage = Stage::open().await;
    let pipeline = stage.released();
    let done = stage.step("p1", &stage.play(pipeline, Carrier::Variables), None).await;
    let id = job_of(&done);
    let held = stage.shop.gitlab.world().job(id).clone();
    assert_eq!((held.user, held.status, held.given.variables), (stage.bot, CiStatus::Pending, values()));
    // A run that crashed just after it finds its own job; one that did not begin leaves it alone.
    let began = stage.now();
    assert_eq!(job_of(&stage.step("p1", &stage.play(pipeline, Carrier::Variables), Some(began)).await), id);
    assert!(never(&stage.step("p1", &stage.play(pipeline, Carrier::Variables), None).await).contains("runs already"));
}

#[tokio::test]
async fn a_second_run_has_the_new_values_or_else_the_old_ones() {
    let stage = Stage::open().await;
    let mut world = stage.shop.gitlab.world();
    world.project_mut(stage.shop.project).ci.retain(|job| job.name != "deploy");
    let deploy = JobSpec::new("deploy", "deploy").manual().environment("production").on(RunsOn::Tags).input("IMAGE");
    world.project_mut(stage.shop.project).ci.push(deploy.ends(CiStatus::Failed));
    drop(world);
    let pipeline = stage.released();
    let first = job_of(&stage.step("p1", &stage.play(pipeline, Carrier::Inputs), None).await);
    assert_eq!(stage.shop.gitlab.world().job(first).status, CiStatus::Failed);
    let second = job_of(&stage.step("p2", &stage.play(pipeline, Carrier::Inputs), None).await);
    let third = job_of(&stage.step("p3", &stage.play(pipeline, Carrier::Variables), None).await);
    assert!(first < second && second < third);
    let path = |job: JobId| format!("/projects/{{p}}/jobs/{job}/retry");
    let fourth = stage.shop.ask(&stage.token, Method::POST, &path(third), Value::Null).await;
    let world = stage.shop.gitlab.world();
    let given = |id: JobId| world.job(id).given.clone();
    assert_eq!((given(second).inputs, given(second).variables), (values(), vec![]));
    assert_eq!((given(third).inputs, given(third).variables), (values(), values()));
    assert_eq!(given(JobId(fourth.body["id"].as_u64().unwrap())), given(third));
    drop(world);
    let retried = stage.shop.ask(&stage.token, Method::POST, &path(first), Value::Null).await;
    assert_eq!((retried.status, &retried.body["message"]), (403, &"403 Forbidden - Job is not retryable".into()));
}

#[tokio::test]
async fn jobs_refuse_unknown_inputs_and_older_gitlabs_leave_inputs_out() {
    let stage = Stage::open().await;
    let pipeline = stage.released();
    let job = stage.shop.gitlab.world().job_named(pipeline, "deploy");
    assert!(never(&stage.step("p1", &stage.play(pipeline, Carrier::Inputs), None).await).contains("Unknown input: IMAGE"));
    stage.shop.gitlab.world().switches.version = "18.9.0".into();
    assert!(never(&stage.step("p1", &stage.play(pipeline, Carrier::Inputs), None).await).contains("18.10"));
    assert_eq!(stage.shop.gitlab.world().job(job).status, CiStatus::Manual);
    let path = format!("/projects/{{p}}/jobs/{job}/play");
    assert_eq!(stage.shop.post(&path, json!({"job_inputs": {"IMAGE": "x"}})).await.status, 200);
    assert!(stage.shop.gitlab.world().job(job).given.inputs.is_empty());
}

#[tokio::test]
async fn a_job_of_a_protected_environment_is_played_by_those_its_rule_names() {
    let stage = Stage::open().await;
    let pipeline = stage.released();
    stage.shop.gitlab.world().protect_environment_for(stage.shop.project, "production", vec![Grant::User(stage.shop.alice)], 0);
    assert!(never(&stage.step("p1", &stage.play(pipeline, Carrier::Variables), None).await).contains("protected environment"));
    let sha = stage.shop.head();
    let (environment, git_ref) = (EnvironmentName("production".into()), GitRef::Tag("v1".into()));
    let deployment = Act::Deployment { environment, sha, git_ref };
    assert!(never(&stage.step("p1", &deployment, None).await).contains("must be allowed to deploy there"));
    let grants = vec![Grant::User(stage.shop.alice), Grant::User(stage.bot)];
    stage.shop.gitlab.world().protect_environment_for(stage.shop.project, "production", grants, 0);
    job_of(&stage.step("p1", &stage.play(pipeline, Carrier::Variables), None).await);
    let done = stage.step("p1", &deployment, None).await;
    // Once: the same again after a crash is the same deployment.
    assert_eq!(stage.step("p1", &deployment, Some(stage.now())).await, done);
    let found = stage.eyes.deployments(stage.shop.project, &EnvironmentName("production".into()), Deployed::Succeeded, 5).await;
    let found = found.found().unwrap();
    assert_eq!((found.len(), found[0].git_ref.clone()), (1, GitRef::Tag("v1".into())));
    assert_eq!(Ok(Left::Deployment { id: found[0].id }), done);
}

#[tokio::test]
async fn a_project_may_keep_variables_from_a_role() {
    let stage = Stage::open().await;
    let pipeline = stage.released();
    stage.shop.gitlab.world().project_mut(stage.shop.project).variables_role = None;
    assert!(never(&stage.step("p1", &stage.play(pipeline, Carrier::Variables), None).await).contains("pipeline variables"));
    let start = |carrier| Act::StartPipeline { git_ref: GitRef::Tag("v1".into()), sha: Some(stage.shop.head()), carrier, values: values() };
    assert!(never(&stage.step("p1", &start(Carrier::Variables), None).await).contains("minimum role to use pipeline variables"));
    let unknown = stage.step("p1", &start(Carrier::Inputs), None).await;
    assert!(never(&unknown).contains("unknown input arguments: IMAGE"), "{unknown:?}");
    stage.shop.gitlab.world().project_mut(stage.shop.project).pipeline_inputs.push("IMAGE".into());
    let Ok(Left::Pipeline { id }) = stage.step("p1", &start(Carrier::Inputs), None).await else { panic!("not started") };
    let held = stage.shop.gitlab.world().pipeline(id).clone();
    assert_eq!((held.inputs, held.variables, held.source.as_str(), held.user), (values(), vec![], "api", stage.bot));
    // Found again by who started it, and when.
    assert_eq!(stage.step("p1", &start(Carrier::Inputs), Some(stage.now())).await, Ok(Left::Pipeline { id }));
}

#[tokio::test]
async fn a_started_pipeline_shows_its_variables_to_whom_it_belongs() {
    let stage = Stage::with(Level::Developer).await;
    stage.shop.gitlab.world().project_mut(stage.shop.project).ci.push(JobSpec::new("deploy", "branch_deploy"));
    stage.shop.gitlab.world().push_commit(stage.shop.project, "deploys", stage.shop.carol, "Deploys");
    let carrier = Carrier::Variables;
    let start = Act::StartPipeline { git_ref: GitRef::Branch("deploys".into()), sha: None, carrier, values: values() };
    let began = stage.now();
    assert!(never(&stage.step("p1", &start, None).await).contains("not protected"));
    stage.shop.gitlab.world().protect_branches(stage.shop.project, "deploys", Level::Developer);
    let Ok(Left::Pipeline { id }) = stage.step("p1", &start, None).await else { panic!("not started") };
    let path = format!("/projects/{{p}}/pipelines/{id}/variables");
    let mine = stage.shop.ask(&stage.token, Method::GET, &path, Value::Null).await;
    assert_eq!((&mine.body[0]["key"], &mine.body[0]["value"]), (&"COUNTERSIGN_PROMOTION".into(), &"p1".into()));
    let carols = stage.shop.gitlab.world().add_token(stage.shop.carol, &["api"]);
    assert_eq!(stage.shop.ask(&carols, Method::GET, &path, Value::Null).await.status, 403);
    assert_eq!(stage.shop.get(&path).await.status, 200);
    // Another promotion's pipeline is not taken over.
    assert_eq!(stage.step("p1", &start, Some(began)).await, Ok(Left::Pipeline { id }));
    let Ok(Left::Pipeline { id: other }) = stage.step("p2", &start, Some(began)).await else { panic!("not started") };
    assert_ne!(other, id);
    // A protected tag is not for a Developer.
    stage.released();
    let sha = Some(stage.shop.head());
    let on_tag = Act::StartPipeline { git_ref: GitRef::Tag("v1".into()), sha, carrier, values: values() };
    assert!(never(&stage.step("p1", &on_tag, None).await).contains("sufficient permission"));
}

#[tokio::test]
async fn rights_follow_the_rule_of_the_environment_and_the_groups() {
    let stage = Stage::open().await;
    let (alice, carol, project) = (stage.shop.alice, stage.shop.carol, stage.shop.project);
    assert_eq!((stage.may(alice, &production()).await, stage.may(carol, &production()).await), (Looked::Found(true), Looked::Found(false)));
    stage.shop.gitlab.world().set_level(project, carol, Level::Maintainer);
    assert_eq!(stage.may(carol, &production()).await, Looked::Found(true));
    stage.shop.gitlab.world().block(carol);
    assert_eq!(stage.may(carol, &production()).await, Looked::Found(false));
    stage.shop.gitlab.world().unblock(carol);

    // By a group of the rule: of the group itself, or of those above it too.
    let mut world = stage.shop.gitlab.world();
    let group = world.group("shop/releases");
    let olga = world.add_user("olga");
    world.add_group_member("shop", olga, Level::Reporter);
    world.protect_environment_for(project, "production", vec![Grant::Group(group)], 2);
    world.add_group_member("shop/releases", carol, Level::Developer);
    drop(world);
    // The bot is no member and may not see who is.
    let looked = stage.may(carol, &production()).await;
    assert_eq!(looked.unreachable().map(|why| why.kind), Some(WhyKind::Refused));
    stage.shop.gitlab.world().add_group_member("shop/releases", stage.bot, Level::Reporter);
    let right = stage.eyes.right(project, carol, &production()).await;
    let right = right.found().unwrap();
    assert_eq!((right.may_deploy, right.rule, right.required_approvals), (true, RightRule::ProtectedEnvironment, 2));
    let right = stage.eyes.right(project, olga, &production()).await;
    let right = right.found().unwrap();
    assert_eq!((right.may_deploy, right.who.as_str(), right.people), (false, "group shop/releases", Some(1)));
    stage.shop.gitlab.world().protect_environment_for(project, "production", vec![Grant::GroupAndAbove(group)], 0);
    assert_eq!(stage.may(olga, &production()).await, Looked::Found(true));

    // Community Edition has no such rules: the configured ones decide.
    stage.shop.gitlab.world().switches.enterprise = false;
    let allow = Allow { role: 30, groups: vec!["shop/releases".into()] };
    let configured = Environment { allow, ..production() };
    assert_eq!(stage.may(carol, &configured).await, Looked::Found(true));
    assert_eq!(stage.may(alice, &configured).await, Looked::Found(false));
}

#[tokio::test]
async fn a_rule_of_a_whole_group_counts_beside_that_of_the_project() {
    let stage = Stage::open().await;
    let (alice, carol, project) = (stage.shop.alice, stage.shop.carol, stage.shop.project);
    stage.shop.gitlab.world().protect_environment(project, "production", Level::Developer);
    // Of another tier: the bot may not list the group's rules, and is told that none holds here.
    stage.shop.gitlab.world().protect_tier("shop", "staging", vec![Grant::Level(Level::Owner)]);
    assert_eq!(stage.may(carol, &production()).await, Looked::Found(true));
    stage.shop.gitlab.world().protect_tier("shop", "production", vec![Grant::Level(Level::Maintainer)]);
    let looked = stage.may(alice, &production()).await;
    assert_eq!(looked.unreachable().map(|why| why.kind), Some(WhyKind::Refused), "a rule that cannot be read lets nobody pass");
    stage.shop.gitlab.world().add_group_member("shop", stage.bot, Level::Maintainer);
    assert_eq!((stage.may(alice, &production()).await, stage.may(carol, &production()).await), (Looked::Found(true), Looked::Found(false)));
    let right = stage.eyes.right(project, carol, &production()).await;
    assert_eq!(right.found().map(|right| right.who.as_str()), Some("the role Developer and also the role Maintainer"));
    // GitLab itself holds a deployment to both.
    let world = stage.shop.gitlab.world();
    assert!(world.may_deploy(project, alice, "production") && !world.may_deploy(project, carol, "production"));
}

#[tokio::test]
async fn a_bot_that_may_not_read_the_rule_has_decided_nothing() {
    let stage = Stage::with(Level::Developer).await;
    let looked = stage.may(stage.shop.alice, &production()).await;
    assert_eq!(looked.unreachable().map(|why| why.kind), Some(WhyKind::Refused));
    // It is told that there is none where there is none, in an environment that GitLab has.
    let looked = stage.may(stage.shop.alice, &Environment::named("staging")).await;
    assert_eq!(looked.unreachable().map(|why| why.kind), Some(WhyKind::Refused));
    stage.shop.gitlab.world().environment(stage.shop.project, "staging");
    assert_eq!(stage.may(stage.shop.alice, &Environment::named("staging")).await, Looked::Found(true));
    // A Community Edition has no such rule to read.
    stage.shop.gitlab.world().switches.enterprise = false;
    assert_eq!(stage.may(stage.shop.alice, &production()).await, Looked::Found(true));
}

#[tokio::test]
async fn groups_are_hidden_from_strangers() {
    let stage = Stage::open().await;
    let mut world = stage.shop.gitlab.world();
    let stranger = world.add_user("stranger");
    let token = world.add_token(stranger, &["api"]);
    drop(world);
    for path in ["/groups/shop/members", "/groups/shop/members/all", "/groups/shop/members/all/1", "/groups/unheard%2Fof/members"] {
        let said = stage.shop.ask(&token, Method::GET, path, Value::Null).await;
        assert_eq!((said.status, &said.body["message"]), (404, &"404 Group Not Found".into()), "{path}");
        assert_eq!(stage.shop.ask("", Method::GET, path, Value::Null).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn the_log_between_two_releases_is_a_range() {
    let stage = Stage::open().await;
    let from = stage.shop.head();
    let key = stage.shop.merge_request();
    let to = stage.shop.gitlab.world().merge(key, stage.shop.alice);
    let found = stage.eyes.commits_between(stage.shop.project, &from, &to, 10).await;
    let found = found.found().unwrap();
    assert_eq!((found.commits.len(), found.commits[0].sha.clone(), found.more), (2, to.clone(), false));
    assert_eq!(found.merge_requests.iter().map(|held| held.iid).collect::<Vec<_>>(), [key.iid]);
    let same = stage.eyes.commits_between(stage.shop.project, &to, &to, 10).await;
    assert!(same.found().unwrap().commits.is_empty());
    let all = stage.shop.get("/projects/{p}/repository/commits?ref_name=main").await;
    assert_eq!(all.body.as_array().unwrap().len(), 3);
    assert_eq!(stage.shop.get("/projects/{p}/repository/commits?ref_name=nothing").await.status, 404);
}

#[tokio::test]
async fn the_double_tells_of_graphql_that_it_does_not_know() {
    let stage = Stage::open().await;
    let url = format!("{}/api/graphql", stage.shop.gitlab.url());
    let ask = async |token: &str| {
        let request = reqwest::Client::new().post(&url).header("PRIVATE-TOKEN", token).json(&json!({"query": "{ currentUser { id } }"}));
        request.send().await.unwrap()
    };
    assert_eq!(ask("glpat-wrong").await.status(), 401);
    let said: Value = ask(&stage.token).await.json().await.unwrap();
    assert!(said["errors"][0]["message"].as_str().unwrap().contains("no operation but"), "{said}");
}
