//! Reads the parts of images.

use super::super::span::Span;
use super::fault::{ImageFault, Result};

pub struct Reader<'a> {
    rest: &'a [u8],
    /// The number of bytes that belong to no list and no text yet.
    unowned: usize,
}

/// A text whose spans have no more bytes together than the text. Otherwise many spans of one long text would need much
/// more work and memory than the image has bytes.
pub struct SpannedText {
    length: usize,
    unowned: usize,
}

impl SpannedText {
    pub fn new(length: usize) -> SpannedText {
        SpannedText { length, unowned: length }
    }
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, unowned: bytes.len() }
    }

    /// The bytes that are not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(ImageFault::Invalid)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(ImageFault::Invalid)?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn bool(&mut self) -> Result<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ImageFault::Invalid),
        }
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A float that is not NaN. JSON has no infinite floats, but a missing priority is infinite.
    pub fn f64(&mut self) -> Result<f64> {
        let number = f64::from_bits(self.u64()?);
        if number.is_nan() { Err(ImageFault::Invalid) } else { Ok(number) }
    }

    /// An index of a list of this length.
    pub fn index(&mut self, length: usize) -> Result<usize> {
        let index = self.u32()? as usize;
        if index < length { Ok(index) } else { Err(ImageFault::Invalid) }
    }

    /// A number of items that have at least `size` bytes each. Nested lists have no more bytes together than the image,
    /// so all lists together take no more memory than a small multiple of it.
    pub fn count(&mut self, size: usize) -> Result<usize> {
        let count = self.u32()? as usize;
        let length = count.checked_mul(size).filter(|length| *length <= self.rest.len());
        let unowned = length.and_then(|length| self.unowned.checked_sub(length));
        self.unowned = unowned.ok_or(ImageFault::Invalid)?;
        Ok(count)
    }

    pub fn text(&mut self) -> Result<&'a str> {
        let length = self.count(1)?;
        str::from_utf8(self.bytes(length)?).map_err(|_| ImageFault::Invalid)
    }

    /// A span of a text of this length.
    pub fn span(&mut self, length: usize) -> Result<Span> {
        let span = Span { start: self.u32()?, end: self.u32()? };
        if span.start <= span.end && span.end as usize <= length {
            Ok(span)
        } else {
            Err(ImageFault::Invalid)
        }
    }

    /// A span that belongs to one owner.
    pub fn owned_span(&mut self, text: &mut SpannedText) -> Result<Span> {
        let span = self.span(text.length)?;
        text.unowned = text.unowned.checked_sub(span.range().len()).ok_or(ImageFault::Invalid)?;
        Ok(span)
    }

    pub fn option<T>(&mut self, read: impl FnOnce(&mut Reader<'a>) -> Result<T>) -> Result<Option<T>> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    /// A list of items that have at least `size` bytes each, without those of the lists and texts in it.
    pub fn list<T>(
        &mut self,
        size: usize,
        mut read: impl FnMut(&mut Reader<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let count = self.count(size)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::Writer;
    use super::*;

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let mut writer = Writer::default();
        writer.i64(-2);
        writer.f64(f64::INFINITY);
        writer.option(Some("é"), Writer::text);
        writer.option(None, Writer::text);
        writer.list(&[1, 2], |writer, number| writer.u32(*number));
        writer.span(Span { start: 1, end: 3 });
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.i64(), reader.f64()), (Ok(-2), Ok(f64::INFINITY)));
        assert_eq!((reader.option(Reader::text), reader.option(Reader::text)), (Ok(Some("é")), Ok(None)));
        assert_eq!(reader.list(4, Reader::u32), Ok(vec![1, 2]));
        assert_eq!(reader.span(3).map(Span::range), Ok(1..3));
        assert!(reader.rest().is_empty() && reader.u8() == Err(ImageFault::Invalid));
    }

    #[test]
    fn invalid_values_are_refused() {
        assert!(Reader::new(&[2]).bool().is_err());
        assert!(Reader::new(&f64::NAN.to_le_bytes()).f64().is_err());
        assert!(Reader::new(&[1, 0, 0, 0, 0xff]).text().is_err());
        assert!(Reader::new(&numbers(&[3])).index(3).is_err());
        for (start, end) in [(2, 1), (0, 4), (u32::MAX, u32::MAX)] {
            assert!(Reader::new(&numbers(&[start, end])).span(3).is_err(), "{start} {end}");
        }
    }

    #[test]
    fn a_list_has_at_most_the_remaining_bytes() {
        for (count, size, is_valid) in [(2, 4, true), (3, 4, false), (u32::MAX, usize::MAX, false)] {
            let bytes = numbers(&[count, 1, 2]);
            assert_eq!(Reader::new(&bytes).count(size).is_ok(), is_valid, "{count} {size}");
        }
    }

    /// Each of these lists alone fits into the remaining bytes. Together they would take many times the memory.
    #[test]
    fn nested_lists_have_at_most_the_bytes_together() {
        fn nested(reader: &mut Reader<'_>) -> usize {
            if reader.count(4).is_ok() { 1 + nested(reader) } else { 0 }
        }
        assert_eq!(nested(&mut Reader::new(&numbers(&[20; 40]))), 2);
    }

    #[test]
    fn owned_spans_have_at_most_the_text_together() {
        let bytes = numbers(&[0, 2, 0, 1, 2, 3]);
        let (mut reader, mut text) = (Reader::new(&bytes), SpannedText::new(3));
        assert!(reader.owned_span(&mut text).is_ok() && reader.owned_span(&mut text).is_ok());
        assert_eq!(reader.owned_span(&mut text).map(Span::range), Err(ImageFault::Invalid));
    }
}
