//! `/environments/{key}/document/`: the environment document.

use flagsmith_edge_core::api::Response;

use crate::call::{Call, Outcome};
use crate::document::Document;
use crate::document_length;

/// Reads the document of an environment.
pub fn get(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = call.environment(api_key)?;
    let json = Document::of_environment(&call.state, &environment).to_json()?;
    debug_assert!(json.len() <= document_length::bound(&call.state, environment.id));
    debug_assert!(
        document_length::bound(&call.state, environment.id)
            <= document_length::rough_bound(&call.state, environment.id)
    );
    Ok(Response::json(json))
}
