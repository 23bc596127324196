//! A request, read: who asks, for what, with which parameters.

use std::collections::HashMap;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::{Reply, response};
use super::gate::{Caller, MAX_REQUEST};
use crate::model::Timestamp;
use crate::model::gitlab::{GitRef, MergeRequestIid, ProjectId, UserId};
use crate::sandbox::gitlab::state::{MergeRequestKey, NOTHING, Refused, Right, World};

/// GitLab cuts a larger `per_page` down to this.
const MAX_PER_PAGE: usize = 100;
const PER_PAGE: usize = 20;

/// A request of the API, with its parameters from query and body together, as Grape reads them.
#[derive(Debug)]
pub struct Ask {
    pub user: Option<UserId>,
    path: HashMap<String, String>,
    parameters: Map<String, Value>,
    reads: bool,
    /// Path on the wire, for the links to other pages.
    wire_path: String,
    query: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequest<S> for Ask {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let path = Path::from_request_parts(&mut parts, state).await.map(|Path(path)| path).unwrap_or_default();
        let refuse = |refused| response(Err(refused));
        let Some(caller) = parts.extensions.get::<Caller>() else { return Err(refuse(Refused::Unauthorized)) };
        let user = caller.0.clone().map_err(refuse)?;
        let invalid = || response(Err(Refused::Parameters("the body could not be read".into())));
        let bytes = axum::body::to_bytes(body, MAX_REQUEST).await.map_err(|_| invalid())?;
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let mut parameters = nested(&query);
        let kind = parts.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") && !bytes.is_empty() {
            let Ok(Value::Object(body)) = serde_json::from_slice(&bytes) else { return Err(invalid()) };
            parameters.extend(body);
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            let form: Vec<_> = url::form_urlencoded::parse(&bytes).into_owned().collect();
            parameters.extend(nested(&form));
        }
        let wire_path = caller.1.clone();
        Ok(Self { user, path, parameters, reads: parts.method.is_safe(), wire_path, query })
    }
}

/// `a[b]=1` and `a[]=1` and `a[][b]=1`, as Rack reads them.
fn nested(pairs: &[(String, String)]) -> Map<String, Value> {
    let mut found = Map::new();
    for (name, value) in pairs {
        let value = Value::from(value.as_str());
        match name.split_once('[') {
            None => {
                found.insert(name.clone(), value);
            }
            Some((outer, "]")) => {
                if let Value::Array(items) = found.entry(outer).or_insert_with(|| json!([])) {
                    items.push(value);
                }
            }
            Some((outer, inner)) if inner.starts_with("][") => {
                let key = inner.trim_start_matches("][").trim_end_matches(']');
                if let Value::Array(items) = found.entry(outer).or_insert_with(|| json!([])) {
                    match items.last_mut().and_then(Value::as_object_mut).filter(|last| !last.contains_key(key)) {
                        Some(last) => {
                            last.insert(key.into(), value);
                        }
                        None => items.push(json!({ key: value })),
                    }
                }
            }
            Some((outer, inner)) => {
                found.entry(outer).or_insert_with(|| json!({}))[inner.trim_end_matches(']')] = value;
            }
        }
    }
    found
}

/// `[{"key": "NAME", "value": "value"}]`
pub fn key_values(value: Option<&Value>) -> Vec<(String, String)> {
    let text = |held: &Value, name: &str| held[name].as_str().unwrap_or_default().to_owned();
    let given = value.and_then(Value::as_array).into_iter().flatten();
    given.map(|held| (text(held, "key"), text(held, "value"))).collect()
}

impl Ask {
    /// The user, or 401.
    pub fn me(&self) -> Result<UserId, Refused> {
        self.user.ok_or(Refused::Unauthorized)
    }

    /// A part of the path.
    pub fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// A number in the path; any other text is 400.
    pub fn id(&self, name: &str) -> Result<u64, Refused> {
        self.part(name).parse().map_err(|_| Refused::Parameters(format!("{name} is invalid")))
    }

    /// The project of the path, for one who need not have signed in if it is public.
    pub fn open_project(&self, world: &World, right: Right) -> Result<ProjectId, Refused> {
        if self.user.is_none() && !self.reads {
            return Err(Refused::Unauthorized);
        }
        let found = world.find_project(self.part("id")).map(|project| project.id);
        let project = found.filter(|id| world.sees(*id, self.user)).ok_or(Refused::NotFound("Project"))?;
        world.demand(project, self.user, right)?;
        Ok(project)
    }

    /// The project of the path, for a user.
    pub fn project(&self, world: &World, right: Right) -> Result<ProjectId, Refused> {
        self.me()?;
        self.open_project(world, right)
    }

    /// The merge request of the path. One who may not read merge requests gets 404 where comments are concerned.
    pub fn merge_request(&self, world: &World) -> Result<MergeRequestKey, Refused> {
        let project = self.open_project(world, Right::ReadReleases)?;
        let key = MergeRequestKey { project, iid: MergeRequestIid(self.id("iid")?) };
        let there = world.project(project).merge_requests.contains_key(&key.iid);
        if there && world.may(project, self.user, Right::Read) { Ok(key) } else { Err(NOTHING) }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        match self.parameters.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    pub fn list(&self, name: &str) -> Vec<String> {
        match self.parameters.get(name) {
            Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect(),
            Some(Value::String(one)) => vec![one.clone()],
            _ => vec![],
        }
    }

    pub fn value(&self, name: &str) -> Option<&Value> {
        self.parameters.get(name)
    }

    /// `{"name": value}`, as inputs are sent.
    pub fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let Some(Value::Object(held)) = self.parameters.get(name) else { return vec![] };
        held.iter().map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
    }

    /// `[{"key": "NAME", "value": "value"}]`, as variables are sent.
    pub fn key_values(&self, name: &str) -> Vec<(String, String)> {
        key_values(self.parameters.get(name))
    }

    /// A text that must be there; what is missing is told as Grape does it.
    pub fn required(&self, name: &str) -> Result<String, Refused> {
        self.text(name).ok_or_else(|| Refused::Parameters(format!("{name} is missing")))
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>, Refused> {
        self.text(name).map(|text| text.parse().map_err(|_| Refused::Parameters(format!("{name} is invalid")))).transpose()
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refused> {
        self.text(name)
            .map(|text| match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "t" | "yes" | "on" => Ok(true),
                "false" | "0" | "f" | "no" | "off" | "" => Ok(false),
                _ => Err(Refused::Parameters(format!("{name} is invalid"))),
            })
            .transpose()
    }

    /// One of these words, or the first where the parameter is not given.
    pub fn choice<'a>(&self, name: &str, words: &[&'a str]) -> Result<&'a str, Refused> {
        let Some(text) = self.text(name) else { return Ok(words[0]) };
        words.iter().find(|word| **word == text).copied().ok_or_else(|| Refused::Parameters(format!("{name} does not have a valid value")))
    }

    /// A moment: RFC 3339, or a day.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, Refused> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        text.parse().ok().or_else(day).map(Some).ok_or_else(|| Refused::Parameters(format!("{name} is invalid")))
    }

    /// The ref that a parameter names: a tag if there is one of that name.
    pub fn git_ref(&self, world: &World, project: ProjectId, name: &str) -> GitRef {
        let held = world.project(project);
        match name.strip_prefix("refs/tags/") {
            Some(tag) => GitRef::Tag(tag.into()),
            None if held.tags.contains_key(name) && !held.branches.contains_key(name) => GitRef::Tag(name.into()),
            None => GitRef::Branch(name.strip_prefix("refs/heads/").unwrap_or(name).into()),
        }
    }

    /// One page of a list, with GitLab's headers.
    pub fn page(&self, world: &World, items: Vec<Value>) -> Result<Reply, Refused> {
        let positive = |name: &str, usual: usize| match self.number(name)? {
            None => Ok(usual),
            Some(0) => Err(Refused::Parameters(format!("{name} does not have a valid value"))),
            Some(number) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        };
        let (page, per_page) = (positive("page", 1)?, positive("per_page", PER_PAGE)?.min(MAX_PER_PAGE));
        let total = items.len();
        let pages = total.div_ceil(per_page).max(1);
        let link = |number: usize, rel: &str| format!("<{}>; rel=\"{rel}\"", self.link(world, number, per_page));
        let (prev, next) = ((page > 1).then(|| page - 1), (page < pages).then_some(page + 1));
        let mut links = vec![];
        links.extend(prev.map(|number| link(number, "prev")));
        links.extend(next.map(|number| link(number, "next")));
        links.extend([link(1, "first"), link(pages, "last")]);
        let shown: Vec<Value> = items.into_iter().skip((page - 1).saturating_mul(per_page)).take(per_page).collect();
        let or_empty = |number: Option<usize>| number.map_or_else(String::new, |number| number.to_string());
        Ok(Reply::ok(shown.into())
            .header("x-page", page)
            .header("x-per-page", per_page)
            .header("x-next-page", or_empty(next))
            .header("x-prev-page", or_empty(prev))
            .header("x-total", total)
            .header("x-total-pages", pages)
            .header("link", links.join(", ")))
    }

    fn link(&self, world: &World, page: usize, per_page: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(name, _)| !matches!(name.as_str(), "page" | "per_page" | "private_token")));
        query.append_pair("page", &page.to_string()).append_pair("per_page", &per_page.to_string());
        format!("{}{}?{}", world.url, self.wire_path, query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_form_names_are_read_as_rack_does() {
        let pairs =
            ["state=x", "scope[]=a", "scope[]=b", "variables[][key]=K", "variables[][value]=V", "variables[][key]=L", "filter[name]=n"];
        let pairs: Vec<_> = pairs.iter().map(|pair| pair.split_once('=').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        let expected =
            json!({"state": "x", "scope": ["a", "b"], "variables": [{"key": "K", "value": "V"}, {"key": "L"}], "filter": {"name": "n"}});
        assert_eq!(Value::Object(nested(&pairs)), expected);
    }
}
