//! `status`: what runs where, since when, by whom.

use super::{Answer, Asked};
use crate::bot::{Bot, Rule, Stopped};
use crate::effects::Emoji;
use crate::model::Timestamp;
use crate::render::{EnvironmentStatus, PromotionAnswer};

impl Bot {
    pub(super) async fn answer_status(&self, rule: &Rule, asked: &Asked<'_>, wanted: Option<&str>) -> Result<Answer, Stopped> {
        let mut told = vec![];
        for environment in rule.environments.iter().filter(|environment| wanted.is_none_or(|name| name == environment.name.0)) {
            let runs = self.runs(asked.project, &environment.name).await?;
            let open = self.ledger.holder(asked.project, &environment.name).await?;
            told.push(EnvironmentStatus { environment, runs, open });
        }
        if let (Some(name), []) = (wanted, told.as_slice()) {
            let known = rule.environments.iter().map(|environment| environment.name.0.as_str()).collect();
            return Ok(Answer::no(self.words.promotion_answer(&PromotionAnswer::NoEnvironment { name, known })));
        }
        let (_, links) = self.readers(rule, asked.merge_request.iid).await?;
        let told = self.words.environments(&told, &self.looks.halted().await, Timestamp::now(), &links);
        Ok(Answer::of(told, Emoji::WhiteCheckMark))
    }
}
