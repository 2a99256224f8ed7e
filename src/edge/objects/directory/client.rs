//! The client of the objects of an environment's directory (see [`crate::identity::directory`]).

use std::fmt::Display;
use std::iter;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::Env;
use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;

use crate::document::ClientKey;
use crate::edge::objects::shards::{self, Demand, SharedCall};
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::join_all::join_all;
use crate::identity::directory::{
    DirectoryQuery, DirectoryRequest, DirectoryUpdate, Entry, MAX_ENVIRONMENT_OVERRIDES_LENGTH, Overrides,
    OverridesQuery, PageKey, SHARDS, shard_of, shards_for,
};
use flagsmith_edge_platform::log::LogLine;

#[wasm_bindgen]
extern "C" {
    /// A stub of a [`crate::edge::DirectoryObject`].
    type DirectoryStub;

    #[wasm_bindgen(method, catch)]
    fn answer(this: &DirectoryStub, request: &str) -> Result<Promise, JsValue>;
}

/// The binding's name.
const BINDING: &str = "DIRECTORY";
/// The end of the name of the object with an environment's overrides, after the client key.
pub const OVERRIDES_SUFFIX: &str = "_overrides";
/// The time limit for a page of overrides from a shard.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The directory of one environment.
pub struct Directory {
    env: Env,
    client_key: ClientKey,
}

/// An object's answer, and the number of rows read and written for it.
#[derive(Deserialize)]
struct Answered<T> {
    answer: T,
    rows: [u64; 2],
}

/// One of the directory's objects.
#[derive(Clone, Copy)]
enum DirectoryPart {
    /// Entries, by the hash of their identifier.
    Shard(u8),
    /// All overrides. They are few, since administrators create them.
    Overrides,
}

impl Directory {
    /// The directory of an environment.
    pub fn new(env: &Env, client_key: &ClientKey) -> Directory {
        Directory { env: env.clone(), client_key: client_key.clone() }
    }

    /// Sends an update to its object.
    pub async fn send(&self, update: DirectoryUpdate) -> Result<(), Failure> {
        let part = match &update {
            DirectoryUpdate::Entry { identifier, .. } => DirectoryPart::Shard(shard_of(identifier)),
            DirectoryUpdate::Overrides { .. } => DirectoryPart::Overrides,
        };
        self.read(&self.ask(part, &DirectoryRequest::Update(update)).await?)
    }

    /// Returns a page of entries, and the key of the next one.
    pub async fn find(&self, query: &DirectoryQuery) -> Result<(Vec<Entry>, Option<PageKey>), Failure> {
        let request = DirectoryRequest::Find(DirectoryQuery { limit: query.limit + 1, ..query.clone() });
        Ok(query.merge(self.ask_all(0..SHARDS, &request).await?))
    }

    /// The entry with this UUID. A UUID made here contains the number of its shard; other UUIDs are looked up in all
    /// shards.
    pub async fn resolve(&self, uuid: &str) -> Result<Option<Entry>, Failure> {
        let request = DirectoryRequest::Resolve(vec![uuid.into()]);
        let mut shards = shards_for(uuid);
        if let Some(first) = shards.next()
            && let Some(entry) =
                self.read::<Vec<Entry>>(&self.ask(DirectoryPart::Shard(first), &request).await?)?.pop()
        {
            return Ok(Some(entry));
        }
        let answers: Vec<Vec<Entry>> = self.ask_all(shards, &request).await?;
        Ok(answers.into_iter().flatten().next())
    }

    /// Returns the entries with these UUIDs. All of them were made here.
    pub async fn resolve_all(&self, uuids: Vec<Box<str>>) -> Result<Vec<Entry>, Failure> {
        let request = DirectoryRequest::Resolve(uuids);
        let answers: Vec<Vec<Entry>> = self.ask_all(0..SHARDS, &request).await?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// The number of identities. Each shard reads all of its entries.
    pub async fn count(&self) -> Result<u64, Failure> {
        let counts: Vec<u64> = self.ask_all(0..SHARDS, &DirectoryRequest::Count).await?;
        Ok(counts.into_iter().sum())
    }

    /// The number of identities without a number in a Flagsmith's database. Each shard reads all of its entries.
    pub async fn count_without_django_id(&self) -> Result<u64, Failure> {
        let counts: Vec<u64> = self.ask_all(0..SHARDS, &DirectoryRequest::CountWithoutDjangoId).await?;
        Ok(counts.into_iter().sum())
    }

    /// The environment's overrides, of one feature or of all; `None` if the known version is still the latest.
    ///
    /// They come in pages. The version is that of the first page. A change between two pages has a later version, so
    /// the next request returns it.
    pub async fn overrides(&self, feature: Option<i64>, known: Option<u64>) -> Result<Overrides, Failure> {
        let mut query = OverridesQuery { feature, known, after: None };
        let mut all = self.page(&query).await?;
        let Some(overrides) = &mut all.overrides else { return Ok(all) };
        query.known = None;
        query.after = all.next.take();
        while query.after.is_some() {
            let page = self.page(&query).await?;
            overrides.extend(page.overrides.unwrap_or_default());
            query.after = page.next;
        }
        Ok(all)
    }

    /// All overrides for an isolate, which may get them from a shard; none if the known version is still the latest. Also
    /// returns their age in milliseconds.
    pub async fn overrides_for_documents(
        &self,
        known: Option<u64>,
        demand: Demand,
    ) -> Result<(Overrides, u64), Failure> {
        let mut query = OverridesQuery { feature: None, known, after: None };
        let (mut all, age) = self.page_of_shard(&query, None, demand).await?;
        let Some(overrides) = &mut all.overrides else { return Ok((all, age)) };
        query.known = None;
        query.after = all.next.take();
        while query.after.is_some() {
            let (page, _) = self.page_of_shard(&query, Some(all.version), demand).await?;
            overrides.extend(page.overrides.unwrap_or_default());
            query.after = page.next;
        }
        Ok((all, age))
    }

    /// `version`: that of the first page. A shard keeps the next pages under it, so that none of them is earlier.
    async fn page_of_shard(
        &self,
        query: &OverridesQuery,
        version: Option<u64>,
        demand: Demand,
    ) -> Result<(Overrides, u64), Failure> {
        let request = DirectoryRequest::Overrides(query.clone());
        let request = serde_json::to_string(&request).map_err(|error| failure(&error))?;
        let call = SharedCall {
            group: &self.client_key,
            binding: BINDING,
            name: &self.name(DirectoryPart::Overrides),
            method: "answer",
            // The directory ignores the second.
            parameters: iter::once(request.into())
                .chain(version.map(|version| (version as f64).into()))
                .collect(),
            is_counted: false,
            is_long: false,
            source: Source::DirectoryObject,
        };
        let (answer, age) = shards::ask(&self.env, call, demand, TIMEOUT).await?;
        Ok((self.read(&answer.as_string().unwrap_or_default())?, age))
    }

    /// True if the environment accepts more overrides. Also true if the directory does not answer, because writing an
    /// identity does not depend on it.
    pub async fn takes_overrides(&self) -> bool {
        let length = self.ask(DirectoryPart::Overrides, &DirectoryRequest::OverridesLength).await;
        let length = length.and_then(|answer| self.read::<u64>(&answer));
        let length = length.inspect_err(|failure| failure.log(Some(&self.client_key)));
        length.map_or(true, |length| length < MAX_ENVIRONMENT_OVERRIDES_LENGTH)
    }

    async fn page(&self, query: &OverridesQuery) -> Result<Overrides, Failure> {
        self.read(&self.ask(DirectoryPart::Overrides, &DirectoryRequest::Overrides(query.clone())).await?)
    }

    async fn ask_all<T: DeserializeOwned>(
        &self,
        shards: impl Iterator<Item = u8>,
        request: &DirectoryRequest,
    ) -> Result<Vec<T>, Failure> {
        let answers = join_all(shards.map(|shard| self.ask(DirectoryPart::Shard(shard), request))).await;
        answers.into_iter().map(|answer| self.read(&answer?)).collect()
    }

    /// Returns a part's answer as text. Generic code for each type of answer would double its size.
    async fn ask(&self, part: DirectoryPart, request: &DirectoryRequest) -> Result<String, Failure> {
        let name = self.name(part);
        let objects = self.env.durable_object(BINDING).map_err(|error| failure(&error))?;
        let object: DirectoryStub = objects.get_by_name(&name).map_err(|error| failure(&error))?.into_rpc();
        let request = serde_json::to_string(request).map_err(|error| failure(&error))?;
        let failed = |error: JsValue| failure(&worker::Error::from(error));
        let answer = JsFuture::from(object.answer(&request).map_err(failed)?).await.map_err(failed)?;
        Ok(answer.as_string().unwrap_or_default())
    }

    fn name(&self, part: DirectoryPart) -> String {
        match part {
            DirectoryPart::Shard(number) => format!("{}_{number}", self.client_key),
            DirectoryPart::Overrides => format!("{}{OVERRIDES_SUFFIX}", self.client_key),
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: &str) -> Result<T, Failure> {
        let Answered { answer, rows: [rows_read, rows_written] } =
            serde_json::from_str(answer).map_err(|_| failure(&"its answer cannot be read"))?;
        if Config::of(&self.env).log_rows {
            LogLine::Call { object: "directory", rows_read, rows_written }.write();
        }
        Ok(answer)
    }
}

fn failure(cause: &dyn Display) -> Failure {
    Failure::new(Source::DirectoryObject, cause)
}
