//! The bot as the API knows it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::bot::{Bot, Judged};
use crate::cli::asking::{self, NoVerdict};
use crate::delivery::api::{Answered, Answerer, Asking, ProjectName, Recorded};
use crate::model::gitlab::InstanceName;
use crate::verdict::{Looked, Verdict};

/// Answers with the bot's own flow and record.
pub struct FromBot(pub Arc<Bot>);

impl FromBot {
    fn recorded(&self, id: Uuid, verdict: &Verdict, environment: Option<&str>) -> Recorded {
        let mut json = self.0.words.verdict_json(&id.to_string(), verdict);
        json["environment"] = environment.into();
        json["record"] = "read".into();
        json["asked_by"] = Value::Null;
        let watched = &verdict.subject.question.project;
        Recorded {
            id,
            project: ProjectName { instance: watched.instance.clone(), path: watched.path.clone() },
            project_id: verdict.subject.project.as_ref().map(|project| project.id),
            outcome: verdict.outcome.word(),
            json,
        }
    }
}

#[async_trait]
impl Answerer for FromBot {
    async fn verify(&self, project: &ProjectName, asking: &Asking) -> Answered {
        let bot = &self.0;
        let rule = bot.rules.iter().find(|rule| rule.watched.instance == project.instance && rule.watched.path == project.path);
        let Some(rule) = rule else { return Answered::Failed(format!("no rule for {}/{}", project.instance, project.path)) };
        let judged = match asking::image(&[rule], asking) {
            Ok(watched) => asking::judge(bot, watched, asking).await,
            Err(wrong) => Err(wrong),
        };
        match judged {
            Ok(Judged { id, verdict }) => Answered::Verdict(Box::new(self.recorded(id, &verdict, asking.environment.as_deref()))),
            Err(NoVerdict::Question(sentence)) => Answered::Wrong(sentence),
            Err(NoVerdict::Ledger(fault)) => Answered::Failed(fault.to_string()),
        }
    }

    async fn verdict(&self, id: Uuid) -> Result<Option<Recorded>, String> {
        let found = self.0.ledger.verdict(id).await.map_err(|fault| fault.to_string())?;
        Ok(found.map(|verdict| self.recorded(id, &verdict, None)))
    }

    async fn signing_keys(&self, instance: &InstanceName) -> Result<Bytes, String> {
        let gitlab = match self.0.looks.gitlab(instance) {
            Looked::Found(gitlab) => gitlab,
            Looked::Absent => return Err(format!("no GitLab is configured as {instance}")),
            Looked::Unreachable(why) => return Err(why.detail),
        };
        match gitlab.signing_keys().await {
            Looked::Found(keys) => Ok(keys),
            Looked::Absent => Err("GitLab publishes no keys".into()),
            Looked::Unreachable(why) => Err(why.detail),
        }
    }
}
