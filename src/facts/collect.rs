//! From a question to its facts: which looks are needed, and which wait for which.

mod beside;

use futures_util::future::join_all;

use super::gitlab::Gitlab;
use super::{Looks, Memory};
use crate::model::Digest;
use crate::model::gitlab::{CommitSha, GitRef, Job, MergeRequestState, Pipeline, PipelineId, Project, ProjectId, TestSummary};
use crate::verdict::facts::{DigestFile, MergeRequestFacts, TagLook, TagRole};
use crate::verdict::{About, Facts, Looked, Question, Service, Why, WhyKind};

/// A digest file is one short line; more is not a digest file.
const DIGEST_FILE_MAX: usize = 4096;
/// Merge requests of one commit that are looked at: GitLab lists more only for commits that many branches brought in.
const MERGE_REQUESTS_MAX: usize = 10;

pub(super) async fn collect(looks: &Looks, question: &Question, as_of: jiff::Timestamp, memory: &dyn Memory) -> Facts {
    let mut facts = nothing_yet(question, as_of);
    let gitlab = match looks.gitlab(&question.project.instance) {
        Looked::Found(gitlab) => gitlab,
        Looked::Absent => return facts,
        Looked::Unreachable(why) => return unreachable(facts, &why),
    };
    facts.project = gitlab.project_by_path(&question.project.path).await;
    let project = match &facts.project {
        Looked::Found(project) => project.clone(),
        // GitLab answers the same 404 for a project that our token may not see: it says nothing about tags or images.
        Looked::Absent => {
            let hidden = format!("GitLab shows no project {} to our token", question.project.path);
            return unreachable(facts, &Why::new(Service::Gitlab, WhyKind::Refused, hidden));
        }
        Looked::Unreachable(why) => {
            let why = why.clone();
            return unreachable(facts, &why);
        }
    };
    let look = Look { looks, gitlab, question, memory, project: &project };
    look.origin(&mut facts).await;
    look.tags(&mut facts).await;
    look.history(&mut facts).await;
    facts.previous_base = memory.previous_base(&project.key, &question.image.repository, look.release()).await;
    look.pipeline(&mut facts).await;
    look.digest(&mut facts);
    look.history_of_digest(&mut facts).await;
    look.signatures(&mut facts).await;
    look.origin_from_signatures(&mut facts).await;
    facts
}

/// Facts in which nothing was looked at. Looks that do not apply to a question stay `Absent`.
fn nothing_yet(question: &Question, as_of: jiff::Timestamp) -> Facts {
    Facts {
        as_of,
        question: question.clone(),
        project: Looked::Absent,
        git_tag: Looked::Absent,
        commit: Looked::Absent,
        pipeline: Looked::Absent,
        ref_protected: Looked::Absent,
        jobs: Looked::Absent,
        digest_file: Looked::Absent,
        tags: vec![],
        digest: Looked::Absent,
        image: Looked::Absent,
        signatures: Looked::Absent,
        platforms: Looked::Absent,
        trust_root: None,
        signing_jobs: vec![],
        history: Looked::Absent,
        merge_requests: Looked::Absent,
        tests: Looked::Absent,
        provenance: Looked::Absent,
        gitlab_provenance: Looked::Absent,
        base_image: Looked::Absent,
        previous_base: Looked::Absent,
    }
}

/// GitLab could not be asked: nothing that hangs on it is known, and none of it reads as absence.
fn unreachable(mut facts: Facts, why: &Why) -> Facts {
    let why = || why.clone();
    facts.project = Looked::Unreachable(why());
    facts.git_tag = Looked::Unreachable(why());
    facts.commit = Looked::Unreachable(why());
    facts.pipeline = Looked::Unreachable(why());
    facts.ref_protected = Looked::Unreachable(why());
    facts.jobs = Looked::Unreachable(why());
    facts.digest_file = Looked::Unreachable(why());
    facts.image = Looked::Unreachable(why());
    facts.signatures = Looked::Unreachable(why());
    facts.platforms = Looked::Unreachable(why());
    facts.history = Looked::Unreachable(why());
    facts.merge_requests = Looked::Unreachable(why());
    facts.tests = Looked::Unreachable(why());
    facts.provenance = Looked::Unreachable(why());
    facts.gitlab_provenance = Looked::Unreachable(why());
    facts.base_image = Looked::Unreachable(why());
    facts.previous_base = Looked::Unreachable(why());
    facts.digest = match &facts.question.about {
        About::Image { digest, .. } => Looked::Found(*digest),
        About::Release { .. } | About::Pipeline { .. } => Looked::Unreachable(why()),
    };
    facts
}

struct Look<'a> {
    looks: &'a Looks,
    gitlab: &'a Gitlab,
    question: &'a Question,
    memory: &'a dyn Memory,
    project: &'a Project,
}

impl Look<'_> {
    fn id(&self) -> ProjectId {
        self.project.key.id
    }

    fn release(&self) -> Option<&str> {
        match &self.question.about {
            About::Release { tag } | About::Image { tag: Some(tag), .. } => Some(tag),
            About::Pipeline { .. } | About::Image { tag: None, .. } => None,
        }
    }

    fn asks_about_pipeline(&self) -> bool {
        match &self.question.about {
            About::Pipeline { .. } => true,
            About::Release { .. } | About::Image { .. } => false,
        }
    }

    /// Git tag or pipeline, and the commit.
    async fn origin(&self, facts: &mut Facts) {
        let sha = match &self.question.about {
            About::Release { tag } | About::Image { tag: Some(tag), .. } => {
                facts.git_tag = self.gitlab.tag(self.id(), tag).await;
                facts.ref_protected = facts.git_tag.as_ref().map(|tag| tag.protected);
                facts.git_tag.as_ref().map(|tag| tag.commit.clone())
            }
            About::Pipeline { id } => self.known_pipeline(facts, *id).await,
            About::Image { tag: None, .. } => Looked::Absent,
        };
        self.commit(facts, sha).await;
    }

    async fn known_pipeline(&self, facts: &mut Facts, id: PipelineId) -> Looked<CommitSha> {
        facts.pipeline = self.gitlab.pipeline(self.id(), id).await;
        facts.pipeline.as_ref().map(|pipeline| pipeline.sha.clone())
    }

    async fn commit(&self, facts: &mut Facts, sha: Looked<CommitSha>) {
        match sha {
            Looked::Found(sha) => {
                let (commit, merge_requests) = tokio::join!(self.gitlab.commit(self.id(), &sha), self.merge_requests(&sha));
                facts.commit = commit;
                facts.merge_requests = merge_requests;
            }
            Looked::Absent => {}
            Looked::Unreachable(why) => {
                facts.commit = Looked::Unreachable(why.clone());
                facts.merge_requests = Looked::Unreachable(why);
            }
        }
    }

    async fn merge_requests(&self, sha: &CommitSha) -> Looked<Vec<MergeRequestFacts>> {
        match self.gitlab.merge_requests_of(self.id(), sha).await {
            Looked::Found(mut found) => {
                // Anybody can open a merge request around a commit that is there already: it did not bring the release, its approvals
                // are none of the release's, and nothing of ours is written there.
                found.retain(|merge_request| self.asks_about_pipeline() || merge_request.state == MergeRequestState::Merged);
                if found.is_empty() {
                    return Looked::Absent;
                }
                let with_approvals = found.into_iter().take(MERGE_REQUESTS_MAX).map(|merge_request| async move {
                    let approved_by = self.gitlab.approved_by(self.id(), merge_request.iid).await;
                    MergeRequestFacts { merge_request, approved_by }
                });
                Looked::Found(join_all(with_approvals).await)
            }
            Looked::Absent => Looked::Absent,
            Looked::Unreachable(why) => Looked::Unreachable(why),
        }
    }

    /// The registry tags that should name the image.
    async fn tags(&self, facts: &mut Facts) {
        let Some(commit) = facts.commit.found() else { return };
        let image = &self.question.image;
        let mut wanted = vec![];
        if let Some(release) = self.release() {
            wanted.extend(image.version_tag.fill(Some(release), &commit.sha).map(|name| (TagRole::Version, name)));
        }
        let commit_tag = image.commit_tag.as_ref().and_then(|template| template.fill(self.release(), &commit.sha));
        wanted.extend(commit_tag.map(|name| (TagRole::Commit, name)));
        let looks = wanted.into_iter().map(|(role, name)| async move {
            let digest = self.looks.registry.resolve(&image.repository, &name).await;
            TagLook { role, name, digest }
        });
        facts.tags = join_all(looks).await;
    }

    async fn history(&self, facts: &mut Facts) {
        let commit = facts.commit.found().map(|commit| &commit.sha);
        if commit.is_some() || self.release().is_some() {
            let image = &self.question.image.repository;
            facts.history = self.memory.sightings(&self.project.key, image, commit, self.release()).await;
        }
    }

    /// The other releases that these bytes are known by: they may be of another commit.
    async fn history_of_digest(&self, facts: &mut Facts) {
        let Some(digest) = facts.digest.found() else { return };
        match self.memory.sightings_of_digest(&self.project.key, &self.question.image.repository, digest).await {
            Looked::Found(more) => match &mut facts.history {
                Looked::Found(seen) => seen.extend(more.into_iter().filter(|sighting| !seen.contains(sighting)).collect::<Vec<_>>()),
                Looked::Absent => facts.history = Looked::Found(more),
                Looked::Unreachable(_) => {}
            },
            Looked::Absent => {}
            Looked::Unreachable(why) => facts.history = Looked::Unreachable(why),
        }
    }

    /// The release pipeline, its jobs, tests and digest file.
    async fn pipeline(&self, facts: &mut Facts) {
        if let (About::Release { .. } | About::Image { tag: Some(_), .. }, Some(commit)) = (&self.question.about, facts.commit.found()) {
            let tag = self.release().unwrap_or_default();
            facts.pipeline = self.release_pipeline(facts, &commit.sha.clone(), tag).await;
        } else if let (Some(why), None) = (facts.commit.unreachable(), facts.pipeline.found()) {
            facts.pipeline = Looked::Unreachable(why.clone());
        }
        self.of_pipeline(facts).await;
    }

    async fn of_pipeline(&self, facts: &mut Facts) {
        let pipeline = match &facts.pipeline {
            Looked::Found(pipeline) => pipeline.clone(),
            Looked::Absent => return,
            Looked::Unreachable(why) => {
                let why = why.clone();
                facts.jobs = Looked::Unreachable(why.clone());
                facts.digest_file = Looked::Unreachable(why.clone());
                facts.tests = Looked::Unreachable(why);
                return;
            }
        };
        let (jobs, tests, protected) = tokio::join!(
            self.gitlab.jobs(self.id(), pipeline.id),
            self.tests(pipeline.id),
            self.protected_then_and_now(&pipeline, facts.ref_protected.clone())
        );
        facts.jobs = jobs;
        facts.tests = tests;
        facts.ref_protected = protected;
        facts.digest_file = match &facts.jobs {
            Looked::Found(_) => match facts.release_job() {
                Some(job) => self.digest_file(job.clone()).await,
                None => Looked::Absent,
            },
            Looked::Absent => Looked::Absent,
            Looked::Unreachable(why) => Looked::Unreachable(why.clone()),
        };
    }

    async fn tests(&self, pipeline: PipelineId) -> Looked<TestSummary> {
        self.gitlab.tests(self.id(), pipeline).await
    }

    /// SR-16. Where anybody could push when the pipeline ran, protecting the ref afterwards vouches for nothing.
    async fn protected_then_and_now(&self, pipeline: &Pipeline, known: Looked<bool>) -> Looked<bool> {
        match self.protected(&pipeline.git_ref, known).await {
            Looked::Found(true) => match self.memory.first_protection(&self.project.key, pipeline.id).await {
                Looked::Absent => Looked::Found(true),
                then => then,
            },
            now => now,
        }
    }

    async fn protected(&self, git_ref: &GitRef, known: Looked<bool>) -> Looked<bool> {
        match git_ref {
            // A tag's own answer was read with the tag; a pipeline on a tag that was not asked for is looked up.
            GitRef::Tag(name) if self.release() != Some(name) => self.gitlab.tag(self.id(), name).await.map(|tag| tag.protected),
            GitRef::Tag(_) => known,
            GitRef::Branch(name) => self.gitlab.branch_protected(self.id(), name).await,
        }
    }

    /// The pipeline that made the digest if that is on record, else the newest of the tag. GitLab's `external` pipelines are made
    /// by commit statuses and never count.
    async fn release_pipeline(&self, facts: &Facts, sha: &CommitSha, tag: &str) -> Looked<Pipeline> {
        let wanted = match &self.question.about {
            About::Image { digest, .. } => Some(*digest),
            About::Release { .. } | About::Pipeline { .. } => version_digest(facts),
        };
        let known = facts
            .history
            .found()
            .and_then(|seen| seen.iter().find(|sighting| Some(sighting.digest) == wanted).and_then(|sighting| sighting.pipeline));
        self.gitlab.pipelines(self.id(), sha, tag).await.and_then(|mut pipelines| {
            pipelines.retain(|pipeline| pipeline.source != "external" && pipeline.git_ref == GitRef::Tag(tag.into()));
            pipelines.sort_by_key(|pipeline| pipeline.id);
            let on_record = known.and_then(|id| pipelines.iter().position(|pipeline| pipeline.id == id));
            match on_record {
                Some(at) => Looked::Found(pipelines.swap_remove(at)),
                None => pipelines.pop().map_or(Looked::Absent, Looked::Found),
            }
        })
    }

    async fn digest_file(&self, job: Job) -> Looked<DigestFile> {
        let Some(path) = &self.question.image.digest_file else { return Looked::Absent };
        if !job.has_artifacts {
            return Looked::Absent;
        }
        self.gitlab.artifact_file(self.id(), job.id, path, DIGEST_FILE_MAX).await.map(|bytes| read_digest_file(&bytes))
    }

    /// The digest everything below is about.
    fn digest(&self, facts: &mut Facts) {
        if let About::Image { digest, .. } = &self.question.about {
            facts.digest = Looked::Found(*digest);
            return;
        }
        let named = facts.tags.first().map(|tag| tag.digest.clone());
        facts.digest = match (named, &facts.digest_file) {
            (Some(Looked::Found(digest)), _) => Looked::Found(digest),
            (Some(Looked::Unreachable(why)), _) => Looked::Unreachable(why),
            (Some(Looked::Absent) | None, Looked::Found(DigestFile::Says(digest))) => Looked::Found(*digest),
            (Some(Looked::Absent) | None, Looked::Unreachable(why)) => Looked::Unreachable(why.clone()),
            (Some(Looked::Absent) | None, Looked::Found(DigestFile::Illegible) | Looked::Absent) => match facts.commit.unreachable() {
                Some(why) => Looked::Unreachable(why.clone()),
                None => Looked::Absent,
            },
        };
    }

    /// A digest that nobody tied to a release: the pipeline its verified certificate names is where to look.
    async fn origin_from_signatures(&self, facts: &mut Facts) {
        if !matches!(self.question.about, About::Image { tag: None, .. }) {
            return;
        }
        let Some(pipeline) = facts.signing_jobs.iter().find_map(|signing| signing.pipeline.found()).cloned() else { return };
        facts.pipeline = Looked::Found(pipeline.clone());
        self.commit(facts, Looked::Found(pipeline.sha)).await;
        self.tags(facts).await;
        self.history(facts).await;
        self.history_of_digest(facts).await;
        self.of_pipeline(facts).await;
    }
}

fn version_digest(facts: &Facts) -> Option<Digest> {
    facts.tags.iter().find(|tag| tag.role == TagRole::Version).and_then(|tag| tag.digest.found().copied())
}

/// The first word of the first line: a bare digest, or `repository@digest`.
fn read_digest_file(bytes: &[u8]) -> DigestFile {
    let digest = std::str::from_utf8(bytes).ok().and_then(|text| {
        let word = text.lines().next()?.trim();
        word.rsplit_once('@').map_or(word, |(_, digest)| digest).parse().ok()
    });
    digest.map_or(DigestFile::Illegible, DigestFile::Says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_file_says_one_digest_or_is_illegible() {
        let digest = Digest::of(b"x");
        for text in [format!("{digest}"), format!("{digest}\n"), format!("registry.example.com/shop/api@{digest}\nmore\n")] {
            assert_eq!(read_digest_file(text.as_bytes()), DigestFile::Says(digest), "{text}");
        }
        for text in ["", "\n", "sha256:12", "latest", "shop/api:v1"] {
            assert_eq!(read_digest_file(text.as_bytes()), DigestFile::Illegible, "{text}");
        }
        assert_eq!(read_digest_file(&[0xff, 0xfe]), DigestFile::Illegible);
    }
}
