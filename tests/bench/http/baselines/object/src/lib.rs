//! B2 and B2w: a worker that calls an object and then returns the prepared answer. The configuration chooses an object
//! that reads a row or one that writes a row.

use serde::Deserialize;
use worker::{
    Context, DurableObject, Env, Request, Response, Result, SqlStorage, State, durable_object, event,
    wasm_bindgen,
};

#[event(fetch)]
async fn fetch(mut request: Request, env: Env, _context: Context) -> Result<Response> {
    request.bytes().await?;
    let name = request.headers().get("x-object")?.ok_or("no x-object")?;
    let object = env.durable_object("IDENTITIES")?.get_by_name(&name)?;
    object.fetch_with_str("https://object/").await?.bytes().await?;
    prepared::answer(&env)
}

/// B2: returns its row, which is as long as an identity's traits.
#[durable_object(fetch)]
pub struct Reader {
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Row {
    traits: String,
}

impl DurableObject for Reader {
    fn new(state: State, env: Env) -> Reader {
        let sql = state.storage().sql();
        let traits = env.var("TRAITS").expect("TRAITS is bound").to_string();
        sql.exec("CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY, traits TEXT NOT NULL)", None)
            .and_then(|_| sql.exec("INSERT OR IGNORE INTO identity VALUES (1, ?)", vec![traits.into()]))
            .expect("SQLite works");
        Reader { sql }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        let row: Row = self.sql.exec("SELECT traits FROM identity WHERE id = 1", None)?.one()?;
        Response::ok(row.traits)
    }
}

/// B2w: changes its row.
#[durable_object(fetch)]
pub struct Writer {
    sql: SqlStorage,
}

impl DurableObject for Writer {
    fn new(state: State, _env: Env) -> Writer {
        let sql = state.storage().sql();
        sql.exec("CREATE TABLE IF NOT EXISTS trait (trait_key PRIMARY KEY, trait_value) WITHOUT ROWID", None)
            .expect("SQLite works");
        Writer { sql }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        const WRITE: &str = "INSERT INTO trait VALUES ('visits', hex(randomblob(4)))
            ON CONFLICT (trait_key) DO UPDATE SET trait_value = excluded.trait_value";
        self.sql.exec(WRITE, None)?;
        Response::ok("written")
    }
}
