//! One shop and one running bot, and how tests act on both.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::cli::serve::{self, Running};
use countersign::config::Config;
use countersign::delivery::queue::Pace;
use countersign::model::gitlab::{NoteId, UserId};
use countersign::sandbox::gitlab::Logged;
use countersign::sandbox::gitlab::state::{HookId, NewNote, Noted};
use countersign::sandbox::shop::{Shop, Signing};
use serde_json::Value;

/// The release of most stories.
pub const TAG: &str = "v1.8.2";
/// How long a thing may take to happen. Long, because eight of these run at once on two cores.
const PATIENCE: Duration = Duration::from_secs(25);
/// Never, as far as a test is concerned.
const NEVER: Duration = Duration::from_secs(3600);
/// Workers that do not wait long for outages to pass.
const QUICK: Pace = Pace {
    workers: 8,
    lease: Duration::from_secs(30),
    poll: Duration::from_millis(50),
    handle: Duration::from_secs(60),
    grace: Duration::from_secs(20),
    first_pause: Duration::from_millis(150),
    longest_pause: Duration::from_millis(400),
    give_up: Duration::from_secs(600),
};

/// How a world is set up.
pub struct Setup {
    signing: Signing,
    polls: Duration,
    rechecks: Duration,
    hook_token: bool,
    toml: Vec<(String, String)>,
    files: Vec<(&'static str, String)>,
    pace: Pace,
}

impl Setup {
    pub fn new(signing: Signing) -> Self {
        Self { signing, polls: NEVER, rechecks: NEVER, hook_token: true, toml: vec![], files: vec![], pace: QUICK }
    }

    /// The catch-up poll looks this often; without it, once at the start.
    pub fn polls(mut self) -> Self {
        self.polls = Duration::from_millis(300);
        self
    }

    /// One of the newest releases is looked at again at every poll.
    pub fn rechecks(mut self) -> Self {
        self.rechecks = Duration::from_millis(1);
        self.polls()
    }

    /// Changes `bot.toml`: `from` must be in it; `{host}` stands for the registry.
    pub fn toml(mut self, from: &str, to: &str) -> Self {
        self.toml.push((from.into(), to.into()));
        self
    }

    /// A file beside `bot.toml`.
    pub fn file(mut self, name: &'static str, text: &str) -> Self {
        self.files.push((name, text.into()));
        self
    }

    /// What is put off is not looked at again by itself as long as a test runs.
    pub fn patient(mut self) -> Self {
        (self.pace.first_pause, self.pace.longest_pause) = (NEVER, NEVER);
        self
    }

    /// GitLab sends no hooks of its own: deliveries are made by the test.
    pub fn without_hooks(mut self) -> Self {
        self.hook_token = false;
        self
    }

    pub async fn start(self) -> World {
        self.start_after(|_| {}).await
    }

    /// Starts the bot after something was done in the shop.
    pub async fn start_after(self, first: impl FnOnce(&Shop)) -> World {
        let shop = Shop::open(self.signing, None).await.unwrap();
        first(&shop);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = shop.write_configuration(folder.path()).unwrap();
        let mut text = std::fs::read_to_string(&file).unwrap();
        for (from, to) in &self.toml {
            let [from, to] = [from, to].map(|part| part.replace("{host}", &shop.registry.host()));
            assert!(text.contains(&from), "{from} is not in\n{text}");
            text = text.replace(&from, &to);
        }
        std::fs::write(&file, text).unwrap();
        for (name, text) in &self.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut world = World { shop: Arc::new(shop), folder, setup: self, running: None, hook: None, client };
        world.up().await;
        world
    }
}

/// A shop, and the bot that watches it.
pub struct World {
    pub shop: Arc<Shop>,
    folder: tempfile::TempDir,
    setup: Setup,
    running: Option<Running>,
    hook: Option<HookId>,
    /// One for the whole world: making one reads every root certificate of the machine.
    client: reqwest::Client,
}

impl std::ops::Deref for World {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl World {
    pub async fn start(signing: Signing) -> Self {
        Setup::new(signing).start().await
    }

    fn config(&self) -> Config {
        let mut config = Config::load(&self.folder.path().join("bot.toml")).unwrap_or_else(|problems| panic!("{problems}"));
        (config.catch_up.every, config.catch_up.recheck) = (self.setup.polls, self.setup.rechecks);
        config
    }

    /// The bot starts, on the store that is there; GitLab's hook follows it.
    pub async fn up(&mut self) {
        let running = serve::start_at(self.config(), self.setup.pace).await.unwrap();
        let address = format!("http://{}", running.address);
        self.running = Some(running);
        self.hook_to(&address);
    }

    /// GitLab's hook goes to this address.
    pub fn hook_to(&mut self, address: &str) {
        if !self.setup.hook_token {
            return;
        }
        match self.hook {
            None => {
                self.shop.hook(address);
                let shop = &self.shop;
                self.hook = shop.gitlab.world().project(shop.project).hooks.keys().next_back().copied();
            }
            Some(hook) => {
                let mut world = self.shop.gitlab.world();
                let held = world.project_mut(self.shop.project).hooks.get_mut(&hook).unwrap();
                held.url = format!("{address}/hooks/gitlab/main");
            }
        }
    }

    /// The bot ends gracefully.
    pub async fn down(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub async fn restart(&mut self) {
        self.down().await;
        self.up().await;
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.running().address)
    }

    pub fn bot_toml(&self) -> PathBuf {
        self.folder.path().join("bot.toml")
    }

    /// For requests of a test's own.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// A page of the bot.
    pub async fn get(&self, path: &str) -> String {
        self.client.get(format!("{}{path}", self.address())).send().await.unwrap().text().await.unwrap()
    }

    /// Delivers a body as a hook does; the answer is its status.
    pub async fn deliver(&self, token: &str, body: &Value) -> u16 {
        self.post(&self.address(), token, body.to_string()).await
    }

    /// The same to a bot elsewhere, and any text.
    pub async fn post(&self, address: &str, token: &str, body: String) -> u16 {
        let request = self.client.post(format!("{address}/hooks/gitlab/main")).header("X-Gitlab-Token", token);
        request.header("Content-Type", "application/json").body(body).send().await.unwrap().status().as_u16()
    }

    /// A page of a bot elsewhere: its status and text.
    pub async fn page(&self, address: &str, path: &str) -> (u16, String) {
        let answer = self.client.get(format!("{address}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Every delivery that GitLab made so far is made again.
    pub async fn redeliver(&self) -> usize {
        let sent: Vec<String> = self.gitlab.world().hook_events.iter().map(|event| event.request_data.clone()).collect();
        for body in &sent {
            let status = self.deliver(countersign::sandbox::shop::WEBHOOK_TOKEN, &serde_json::from_str(body).unwrap()).await;
            assert!((200..300).contains(&status), "{status} for {body}");
        }
        sent.len()
    }

    /// The value of a series of `/metrics`.
    pub async fn metric(&self, series: &str) -> u64 {
        let text = self.get("/metrics").await;
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Waits until nothing happens any more: no hook on its way, no hint that waits or is worked on, and nothing written for a while.
    pub async fn settled(&self) {
        let end = Instant::now() + PATIENCE;
        let (mut before, mut calm, mut busy, mut since, mut done) = (0, 0, 1, 0, 0);
        // A poll brings hints all the time: then it is enough that eight in a row wrote nothing. So does a promotion that waits for
        // what it started, by and by: two looks of its that wrote nothing are enough.
        while calm < 8 || (busy > 0 && done < since + 8) {
            assert!(Instant::now() < end, "the bot does not come to rest: {}", self.get("/metrics").await);
            self.gitlab.hooks_settled().await;
            busy = self.metric("countersign_queue_waiting").await + self.metric("countersign_queue_claimed").await;
            let now = self.writes_since(0).len();
            done = self.metric("countersign_work_total{outcome=\"done\"}").await;
            done += 4 * self.metric("countersign_work_total{outcome=\"waits\"}").await;
            (calm, since) = if now == before { (calm + 1, since) } else { (0, done) };
            before = now;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// The bot's requests so far.
    pub fn asked(&self) -> Vec<Logged> {
        self.gitlab.requests().into_iter().filter(|request| request.user.as_deref() == Some("countersign")).collect()
    }

    /// The bot's writes, as `METHOD kind`, from the `from`th request on.
    pub fn writes_since(&self, from: usize) -> Vec<String> {
        self.asked().iter().skip(from).filter(|request| request.method != "GET").map(|r| format!("{} {}", r.method, r.path)).collect()
    }

    /// How many records the ledger holds; its chain holds too.
    pub async fn records(&self) -> u64 {
        let walk = self.running().bot.ledger.verify().await.unwrap();
        assert_eq!(walk.broken, None);
        walk.records
    }

    /// Dana comments.
    pub fn says(&self, body: &str) -> NoteId {
        self.shop.say(body).unwrap_or_else(|| panic!("GitLab stored no note for {body}"))
    }

    /// Somebody comments on the merge request.
    pub fn says_as(&self, who: UserId, body: &str) -> NoteId {
        let said = self.gitlab.world().comment(self.merge_request, who, body);
        said.unwrap_or_else(|| panic!("GitLab stored no note for {body}"))
    }

    /// Somebody answers in the thread of a note.
    pub fn answers_as(&self, who: UserId, to: NoteId, body: &str) -> NoteId {
        let mut gitlab = self.gitlab.world();
        let thread = gitlab.merge_request(self.merge_request).note(to).unwrap().0.id.clone();
        let new = NewNote { reply_to: Some(thread), body: body.into(), ..NewNote::default() };
        match gitlab.add_note(self.merge_request, who, new).unwrap() {
            Noted::Stored(id) => id,
            Noted::Commands(_) => panic!("GitLab stored no note for {body}"),
        }
    }

    /// Everything the bot said in the thread of a note after it, oldest first.
    pub fn replies(&self, to: NoteId) -> Vec<String> {
        let gitlab = self.gitlab.world();
        let Some((thread, _)) = gitlab.merge_request(self.merge_request).note(to) else { return vec![] };
        let after = thread.notes.iter().skip_while(|held| held.id != to).skip(1);
        after.filter(|held| held.author == self.bot).map(|held| held.body.clone()).collect()
    }

    /// Waits until the bot said something that holds a text in the thread of a note.
    pub async fn replied(&self, to: NoteId, text: &str) -> String {
        until(&format!("a reply says {text}"), || self.replies(to).into_iter().find(|reply| reply.contains(text))).await
    }

    /// Dana comments, and gets this answer.
    pub async fn answer(&self, body: &str) -> (String, Vec<String>) {
        let asked = self.says(body);
        let reply = until(&format!("an answer to {body}"), || self.shop.reply_to(asked)).await;
        let closed = until("a closing reaction", || Some(self.shop.reactions(asked)).filter(|all| all.len() > 1)).await;
        (reply, closed)
    }

    /// The whole sticky note; there is exactly one.
    pub fn sticky(&self) -> Option<String> {
        let notes = self.bot_notes();
        assert!(notes.len() <= 1, "one sticky note, not {}: {notes:#?}", notes.len());
        notes.into_iter().next()
    }

    /// Waits until the sticky note holds a text.
    pub async fn sticky_says(&self, text: &str) -> String {
        until(&format!("the sticky note says {text}"), || self.sticky().filter(|note| note.contains(text))).await
    }

    /// Waits for the bot's status on the newest pipeline of a tag.
    pub async fn status_is(&self, tag: &str, state: &str) -> String {
        until(&format!("the status of {tag} is {state}"), || self.status(tag).filter(|(word, _)| *word == state)).await.1
    }

    /// Waits until the release section holds a text.
    pub async fn section_says(&self, tag: &str, text: &str) -> String {
        until(&format!("the section of {tag} says {text}"), || self.release_text(tag).filter(|section| section.contains(text))).await
    }
}

impl Drop for World {
    /// What the bot asked, for `tests/check-requests`: without the requests that met a fault, whose answers are no GitLab's.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.shop.gitlab.assert_no_unknown_routes();
        let sound = self.asked().into_iter().filter(|request| !request.faulted);
        let lines: String = sound.map(|request| serde_json::to_string(&request).unwrap() + "\n").collect();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("bot-requests.jsonl");
        // One write, so that tests that end at the same time do not cut one another's lines.
        let mut open = std::fs::File::options().create(true).append(true).open(file).unwrap();
        std::io::Write::write_all(&mut open, lines.as_bytes()).unwrap();
    }
}

/// Waits for a thing to be there.
pub async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match look() {
            Some(seen) => return seen,
            None => assert!(Instant::now() < end, "not within {} s: {what}", PATIENCE.as_secs()),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
