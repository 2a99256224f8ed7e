//! The rendered flags of an image.

use super::super::flags::{Flags, Head};
use super::super::ruleset::Ruleset;
use super::fault::{ImageFault, Result};
use super::reader::{Reader, SpannedText};
use super::writer::Writer;

pub fn write(writer: &mut Writer, flags: &Flags) {
    writer.count(flags.text.len());
    writer.bytes(&flags.text);
    writer.span(flags.list);
    writer.bool(flags.hide_disabled);
    writer.list(&flags.server_key_only, |writer, hidden| writer.bool(*hidden));
    writer.list(&flags.defaults, |writer, span| writer.span(*span));
    writer.list(&flags.outcomes, |writer, span| writer.span(*span));
    writer.list(&flags.heads, |writer, head| {
        writer.u32(head.length);
        writer.span(head.id);
        writer.span(head.name);
        writer.bool(head.multivariate);
    });
}

pub fn read(reader: &mut Reader<'_>, ruleset: &Ruleset) -> Result<Flags> {
    let length = reader.count(1)?;
    let text = reader.bytes(length)?;
    let list = reader.span(length)?;
    let hide_disabled = reader.bool()?;
    let server_key_only = reader.list(1, Reader::bool)?;
    let mut owned = SpannedText::new(length);
    let defaults = reader.list(8, |reader| reader.owned_span(&mut owned))?;
    let outcomes = reader.list(8, |reader| reader.owned_span(&mut owned))?;
    let heads = reader.list(21, |reader| {
        Ok(Head {
            length: reader.u32()?,
            id: reader.span(length)?,
            name: reader.span(length)?,
            multivariate: reader.bool()?,
        })
    })?;
    // Sums of lengths must not overflow.
    let are_short = heads.iter().all(|head| head.length as usize <= length);
    let mut first_outcomes = Vec::with_capacity(ruleset.states.len());
    let mut count = 0_u32;
    for state in &ruleset.states {
        first_outcomes.push(count);
        count += 1 + state.variants.len() as u32;
    }
    let features = ruleset.features.len();
    let is_complete = [server_key_only.len(), defaults.len(), heads.len()] == [features; 3]
        && outcomes.len() == count as usize;
    if !are_short || !is_complete {
        return Err(ImageFault::Invalid);
    }
    let flags = Flags {
        text: text.into(),
        defaults,
        outcomes,
        first_outcomes,
        heads,
        server_key_only,
        hide_disabled,
        list,
        client_list: None,
        server_list: None,
    };
    Ok(flags.with_lists(ruleset))
}
