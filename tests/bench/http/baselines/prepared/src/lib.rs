//! The answer of a baseline, in the binding `ANSWER`: status, headers and body of an answer by the worker.

use std::cell::OnceCell;

use serde::Deserialize;
use worker::{Env, Headers, Response, ResponseBuilder, Result};

#[derive(Deserialize)]
struct Written {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

struct Answer {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

thread_local! {
    static ANSWER: OnceCell<Answer> = const { OnceCell::new() };
}

/// The answer, read from the binding once.
pub fn answer(env: &Env) -> Result<Response> {
    ANSWER.with(|answer| {
        if answer.get().is_none() {
            let _ = answer.set(Answer::read(env)?);
        }
        let answer = answer.get().ok_or("no answer")?;
        // Cheaper than setting the headers one by one.
        let response = ResponseBuilder::new().with_status(answer.status).with_headers(answer.headers.clone());
        Ok(if answer.body.is_empty() { response.empty() } else { response.fixed(answer.body.clone()) })
    })
}

impl Answer {
    fn read(env: &Env) -> Result<Answer> {
        let written: Written = serde_json::from_str(&env.var("ANSWER")?.to_string())?;
        Ok(Answer {
            status: written.status,
            headers: written.headers.into_iter().collect(),
            body: written.body.into_bytes(),
        })
    }
}
