//! The measured code on wasm32, called by `wasm.mjs`.

use flagsmith_edge_worker::document::Environment;
use flagsmith_edge_worker::document::ruleset::Engine;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Asked, IDENTITIES, PROFILES, answer, asked};

/// The file and the name of each profile.
#[wasm_bindgen]
pub fn profiles() -> Vec<String> {
    PROFILES.iter().flat_map(|(file, name)| [(*file).to_owned(), (*name).to_owned()]).collect()
}

/// A compiled profile, with different identities.
#[wasm_bindgen]
pub struct Subject {
    environment: Environment,
    asked: Vec<Asked>,
}

/// The image of a document.
#[wasm_bindgen]
pub fn image(document: &[u8]) -> Vec<u8> {
    let environment = Environment::parse(document, Engine::V10).expect("a profile compiles");
    environment.to_image(document)
}

#[wasm_bindgen]
impl Subject {
    /// Compiles the document's bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(document: &[u8]) -> Subject {
        Subject::of(Environment::parse(document, Engine::V10).expect("a profile compiles"))
    }

    /// Loads the document's image.
    pub fn from_image(image: &[u8], document: Vec<u8>) -> Subject {
        Subject::of(Environment::from_image(image, document, Engine::V10).expect("a profile's image loads"))
    }

    fn of(environment: Environment) -> Subject {
        let asked = (0..IDENTITIES).map(|number| asked(&environment, number)).collect();
        Subject { environment, asked }
    }

    /// Answers this many times. Returns the length of the bodies, so that no work is optimized away.
    pub fn answer(&self, times: usize) -> usize {
        self.asked.iter().cycle().take(times).map(|asked| answer(&self.environment, asked)).sum()
    }
}
