//! One page a code: what it means and what to do, without the values of a case.

/// A code of the catalogue. Codes are kept for ever: people search for them and alerts match them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub code: &'static str,
    /// Completes "Blocked:" or "Could not check:".
    pub title: &'static str,
    pub meaning: &'static str,
    pub todo: &'static str,
}

/// The catalogue.
pub const CODES: &[Code] = &[
    Code {
        code: "CS-SIG-MISSING",
        title: "the image is not signed",
        meaning: "The registry answered, and holds no signature for the image's digest in any layout that cosign writes.",
        todo: "Re-run the job that signs, in the release pipeline. Do not sign from a laptop: that signature would not count either.",
    },
    Code {
        code: "CS-SIG-INVALID",
        title: "a signature does not verify",
        meaning: "A signature claims one of the trusted signers, but cryptography says no: it was altered, made after its certificate or key ended, or its log entry does not fit.",
        todo: "Treat the image as untrusted and rebuild it from the release tag in the release pipeline. Find out who pushed the signature.",
    },
    Code {
        code: "CS-SIG-OTHER",
        title: "somebody else signed it",
        meaning: "The signature verifies, but its signer is not one that may sign this image.",
        todo: "If the signer is right, add it to the image's trusted signers in the configuration; otherwise rebuild the image in its release pipeline.",
    },
    Code {
        code: "CS-SIG-ON-TAG",
        title: "the signature covers another image",
        meaning: "A signature stands beside the image but speaks of other bytes: the tag was signed, and moved afterwards.",
        todo: "Sign the digest that the push step prints, in the job that pushes.",
    },
    Code {
        code: "CS-SIG-UNLOGGED",
        title: "the signature is in no trusted log",
        meaning: "A trusted key made the signature, but a transparency log must hold it, by the signer's or the policy's `require_log`, and no log of the trust root does.",
        todo: "Sign with a transparency log that the trust root names, or do not demand one in the configuration.",
    },
    Code {
        code: "CS-KEY-RETIRED",
        title: "its key is retired",
        meaning: "A key signed it that stopped being trusted (`retired`, `not_after`). No trusted log or timestamp authority proves that the signature is older, and Countersign has no record of having passed these bytes before that time.",
        todo: "Sign the image again in its release pipeline, with the current signer.",
    },
    Code {
        code: "CS-KEY-REVOKED",
        title: "its key is revoked",
        meaning: "A key signed it that is revoked. Only a signature that a trusted log or timestamp authority proves to be older than the revocation counts; a record of having passed earlier does not.",
        todo: "Rebuild and sign it with the current signer, and go through the releases that were made with that key.",
    },
    Code {
        code: "CS-KEY-EARLY",
        title: "its key is not yet trusted",
        meaning: "A key signed it whose window of trust (`not_before`) had not begun.",
        todo: "Sign with a signer that is trusted now, or correct the window in the configuration.",
    },
    Code {
        code: "CS-PLATFORM",
        title: "its platforms are not as they must be",
        meaning: "The image is an index for several platforms, and names none, or policy demands that each platform is signed on its own and some are not.",
        todo: "Sign the index and each platform in the release pipeline (`cosign sign --recursive`).",
    },
    Code {
        code: "CS-PROV-MISSING",
        title: "nothing says which commit it was built from",
        meaning: "Neither a signature nor a record of the release pipeline ties the digest to a commit, so it cannot be compared with one (a registry tag is none: anybody who may push can write it); or the policy asks for provenance, and none that verifies lies beside the image.",
        todo: "Ask about the release tag; keep the digest file of the release job, or add the attest step to it; or sign keyless there, so that the signature names the commit.",
    },
    Code {
        code: "CS-PROV-DIGEST",
        title: "its provenance describes another image",
        meaning: "A provenance statement lies beside the image, but its subject is other bytes.",
        todo: "Release the image that the provenance describes, or attest this one in the pipeline that built it.",
    },
    Code {
        code: "CS-LATE-ATTEST",
        title: "its provenance was not made by the building pipeline",
        meaning: "The provenance was signed by another job than the release job of the release pipeline, or at a time when that job did not run. Whoever attests later, or from a job that anyone may play, was not there when the image was built. A key names no job: what it signed outside a log and without a timestamp may be of any time, which is a warning, or blocks where `require_log` asks for more.",
        todo: "Sign and attest in the release job itself (`release_job` in the configuration).",
    },
    Code {
        code: "CS-COMMIT",
        title: "it was built from another commit",
        meaning: "What is signed names one commit, and the Git tag points to another one.",
        todo: "Tag the commit that was built, or build the commit that is tagged.",
    },
    Code {
        code: "CS-PIPELINE",
        title: "the release pipeline does not vouch for it",
        meaning: "The pipeline that should have built the image is missing, has not ended, failed, ran another commit or holds no release job.",
        todo: "Run the release pipeline of the tag until its jobs succeed.",
    },
    Code {
        code: "CS-REF-UNPROTECTED",
        title: "it was built on an unprotected ref",
        meaning: "Anyone who may push could have started the build, because GitLab does not protect its branch or tag.",
        todo: "Protect the ref or release from a protected tag, then build again: protection does not reach back.",
    },
    Code {
        code: "CS-SOURCE",
        title: "its pipeline may not release",
        meaning: "The pipeline was started in a way that the policy does not let release, such as a schedule or a trigger.",
        todo: "Start the release pipeline by pushing the release tag.",
    },
    Code {
        code: "CS-PROJECT",
        title: "it belongs to another project",
        meaning: "What is signed names another project than the one that releases the image.",
        todo: "Build the image in its own project. Copying an image between projects does not carry trust.",
    },
    Code {
        code: "CS-RUNNER",
        title: "it was built on a runner that may not release",
        meaning: "The policy lists the runners that release jobs may run on, and GitLab says that this job ran on another one.",
        todo: "Re-run the job on a trusted runner, or add the runner to `runners` in the policy.",
    },
    Code {
        code: "CS-BASE-UNKNOWN",
        title: "its base image is not recorded",
        meaning: "Neither provenance that holds nor the image's annotations tell the digest of the image it was built on.",
        todo: "Let the build record its base image, as a dependency in the provenance or as `org.opencontainers.image.base.digest`, then build again.",
    },
    Code {
        code: "CS-BASE-CHANGED",
        title: "its base image moved since the last release",
        meaning: "The image stands on other bytes than the release before. The same commit on another base is a different build.",
        todo: "Test it as a new build, then promote that digest.",
    },
    Code {
        code: "CS-REBUILT",
        title: "its commit was already built",
        meaning: "Two builds of one commit made two images. Only the first was seen by everyone who tested it.",
        todo: "Use the first image; to replace it, release a new version.",
    },
    Code {
        code: "CS-TAG-MOVED",
        title: "the registry tag was moved",
        meaning: "The registry tag of the release named one image and names another one now.",
        todo: "Point the tag back, or release again under a new version. Find out who pushed, and protect the tag.",
    },
    Code {
        code: "CS-TAG-MISSING",
        title: "the registry tag does not exist",
        meaning: "The registry answered, and holds no tag of the name that the release should have, or no image of the digest.",
        todo: "Let the release job push the image and its tag, or correct the tag template in the configuration.",
    },
    Code {
        code: "CS-TAG-OTHER",
        title: "its release tag names another image",
        meaning: "The question was about one digest, and the registry tag of its release names another.",
        todo: "Use the image that the release tag names, or find out where the other one comes from.",
    },
    Code {
        code: "CS-TAG-SPLIT",
        title: "the registry tags name two images",
        meaning: "The version tag and the commit tag of one release name different digests, so one of them was pushed by something else than the release job.",
        todo: "Point both tags to the image that the release job built, or release again under a new version.",
    },
    Code {
        code: "CS-DIGEST-FILE",
        title: "the pipeline recorded another digest",
        meaning: "The digest file that the release job left does not agree with the registry.",
        todo: "Let the job read the digest after its push and write it to the file, then release again.",
    },
    Code {
        code: "CS-GIT-TAG-MISSING",
        title: "the Git tag does not exist",
        meaning: "GitLab answered, and the project has no Git tag of this name.",
        todo: "Push the tag, or ask about one that exists.",
    },
    Code {
        code: "CS-RIGHTS",
        title: "this person may not deploy there",
        meaning: "GitLab says, at the moment of acting, that who asked or approved may not deploy to the environment: by its protection in the project and in the groups above, or where it has none by the configured role and groups.",
        todo: "Ask one of those who may; the message names them.",
    },
    Code {
        code: "CS-SECOND-PERSON",
        title: "an approval by somebody else is missing",
        meaning: "The environment, or its protection in GitLab, asks for the yes of a second person who may deploy there. The own yes of who asked, a reaction and a label do not count.",
        todo: "Let somebody else who may deploy there write `/countersign approve` in the thread.",
    },
    Code {
        code: "CS-HALTED",
        title: "all promotions are halted",
        meaning: "The operator's halt switch (`halt_file`) is on: nothing is begun, and what goes on stops before its next step.",
        todo: "Wait until the halt is lifted, then write the command again.",
    },
    Code {
        code: "CS-FROZEN",
        title: "the environment is frozen",
        meaning: "The configuration has a freeze for the environment, with its reason, and it is that time.",
        todo: "Write the command again after the freeze.",
    },
    Code {
        code: "CS-LOCKED",
        title: "another promotion holds the environment",
        meaning: "One promotion at a time goes to an environment. The message names who asked for the other one; it ends by itself, whatever happens.",
        todo: "Write the command again when the other one has ended.",
    },
    Code {
        code: "CS-EXPIRED",
        title: "it came too late",
        meaning: "A command is carried out within 15 minutes or not at all, and a promotion that waits for an approval or does not get done ends by itself (`approval_age`, `converge_within`).",
        todo: "Write the command again if it is still wanted.",
    },
    Code {
        code: "CS-CHANGED",
        title: "something changed since it was accepted",
        meaning: "A command and its approval are bound to one digest, one commit, one rule and the words that were written. One of these is another one now.",
        todo: "Look at what changed; if the promotion is still wanted, write the command again.",
    },
    Code {
        code: "CS-NOT-STAGED",
        title: "it has not passed the environment before",
        meaning: "The environment takes only a digest that was promoted to the environment before it (`after`) and arrived there, and Countersign's record has no such promotion of exactly this digest.",
        todo: "Promote it to the environment before, then write the command again.",
    },
    Code {
        code: "CS-NO-ACTION",
        title: "nothing can be promoted there",
        meaning: "The configuration gives the environment no `actions`, so that a promotion would do nothing.",
        todo: "Let the operator of Countersign configure what a promotion to the environment does.",
    },
    Code {
        code: "CS-STEP",
        title: "a step was refused",
        meaning: "A registry or GitLab refused an action of the promotion for good: trying again would change nothing. What was done before it stays done, and the message says what was not.",
        todo: "Put right what refused it, then write the command again.",
    },
    Code {
        code: "CS-DRIFT",
        title: "something else runs than was promoted",
        meaning: "After a promotion that arrived, the environment's tag or GitLab's newest deployment names something else. Somebody changed it without Countersign.",
        todo: "Find out who changed it. Promote what should run there once more, or roll back on record.",
    },
    Code {
        code: "CS-REG-AUTH",
        title: "the registry refused Countersign's login",
        meaning: "The registry answered 401 or 403 to Countersign. Nothing could be checked; this is no statement about the image.",
        todo: "Give Countersign read access to the repository.",
    },
    Code {
        code: "CS-UNAVAILABLE",
        title: "a service did not answer as it should",
        meaning: "GitLab, the registry, the trust root or Countersign's own store could not be read. Nothing is cleared meanwhile; this is no statement about the image.",
        todo: "Usually nothing: Countersign tries again. The message names the service, and what to do if the cause does not pass by itself.",
    },
];

/// What completes "Blocked:" for a code.
pub(super) fn title(code: &str) -> &'static str {
    CODES.iter().find(|page| page.code == code).map_or("a check did not pass", |page| page.title)
}

/// What to do, for a code alone.
pub(super) fn todo(code: &str) -> &'static str {
    CODES.iter().find(|page| page.code == code).map_or("Write the command again if it is still wanted.", |page| page.todo)
}

/// The catalogue as Markdown, one section a code, for the documentation.
pub fn codes_markdown() -> String {
    let page = |code: &Code| format!("### {}: {}\n\n{}\n\n**What to do:** {}\n", code.code, code.title, code.meaning, code.todo);
    CODES.iter().map(page).collect::<Vec<_>>().join("\n")
}
