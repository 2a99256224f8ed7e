//! Lists in pages, and their links.

use flagsmith_edge_core::api::Response;
use serde_json::{Value, json};

use crate::call::{Call, Outcome};
use crate::refusal::Refusal;

/// The size of a list's pages.
#[derive(Clone, Copy)]
pub struct PageSize {
    /// The number of items in a page.
    default: usize,
    /// The largest number that `page_size` may ask for; `None` if the list ignores `page_size`.
    max: Option<usize>,
}

/// The pages of lists that ignore `page_size`.
pub const FIXED: PageSize = PageSize { default: MAX_SIZE, max: None };
/// The pages of lists that obey `page_size`.
pub const SIZED: PageSize = PageSize { default: MAX_SIZE, max: Some(MAX_SIZE) };
const MAX_SIZE: usize = 999;

impl PageSize {
    fn of(self, query: Option<&str>) -> usize {
        let asked = query.and_then(|text| text.parse::<usize>().ok()).filter(|size| *size > 0);
        match (self.max, asked) {
            (Some(max), Some(asked)) => asked.min(max),
            _ => self.default,
        }
    }
}

/// The page of `items` that the query asks for. Only the items of this page are rendered.
pub fn page<T>(call: &Call<'_>, size: PageSize, items: Vec<T>, render: impl FnMut(T) -> Value) -> Outcome {
    let size = size.of(call.query("page_size").as_deref());
    let count = items.len();
    let last = count.div_ceil(size).max(1);
    let number = match call.query("page").as_deref() {
        None => Some(1),
        Some("last") => Some(last),
        Some(text) => text.parse::<usize>().ok().filter(|number| (1..=last).contains(number)),
    };
    let number = number.ok_or(Refusal::Detail(404, "Invalid page."))?;
    let results: Vec<Value> =
        items.into_iter().skip((number - 1).saturating_mul(size)).take(size).map(render).collect();
    let next = (number < last).then(|| link(call, number + 1));
    let previous = (number > 1).then(|| link(call, number - 1));
    let page = json!({"count": count, "next": next, "previous": previous, "results": results});
    Ok(Response::json(page.to_string().into_bytes()))
}

/// The address of another page. The parameters are sorted, and the first page has no number.
fn link(call: &Call<'_>, number: usize) -> String {
    let mut pairs: Vec<(String, String)> = call.query_pairs().filter(|(name, _)| name != "page").collect();
    if number > 1 {
        pairs.push(("page".to_owned(), number.to_string()));
    }
    pairs.sort();
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(pairs).finish();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{}{mark}{query}", call.request.base, call.request.path)
}
