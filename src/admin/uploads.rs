//! Limits the memory that one isolate uses for bodies. A body is held if it has no `Content-Length`, or while its
//! client reads slowly.

/// The maximum length of all held bodies, in bytes. A body may take twice its length while it is read, and once more
/// while it is sent. An isolate has 128 MiB in total.
pub const MAX_LENGTH: usize = 24 * 1024 * 1024;

/// The held bodies. Times are in milliseconds.
#[derive(Debug, Default)]
pub struct Uploads {
    held: Vec<Upload>,
    last: u64,
}

#[derive(Debug)]
struct Upload {
    number: u64,
    length: usize,
    ends_at: u64,
}

impl Uploads {
    /// Registers a body; returns its number. It counts until `ends_at` at most, since the platform may cancel a request
    /// without a further call.
    pub fn begin(&mut self, now: u64, ends_at: u64) -> u64 {
        self.held.retain(|upload| upload.ends_at > now);
        self.last += 1;
        self.held.push(Upload { number: self.last, length: 0, ends_at });
        self.last
    }

    /// True if the body may grow to this length.
    pub fn grow(&mut self, number: u64, length: usize) -> bool {
        let others = self.held.iter().filter(|upload| upload.number != number);
        let has_room = others.map(|upload| upload.length).sum::<usize>().saturating_add(length) <= MAX_LENGTH;
        if let Some(upload) = self.held.iter_mut().find(|upload| upload.number == number && has_room) {
            upload.length = length;
        }
        has_room
    }

    /// Removes a body.
    pub fn end(&mut self, number: u64) {
        self.held.retain(|upload| upload.number != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_all_uploads_is_bounded() {
        let mut uploads = Uploads::default();
        let (one, other) = (uploads.begin(0, 10), uploads.begin(0, 10));
        assert!(uploads.grow(one, MAX_LENGTH / 2) && uploads.grow(one, MAX_LENGTH - 1));
        assert!(uploads.grow(other, 1) && !uploads.grow(other, 2) && !uploads.grow(one, MAX_LENGTH));
        uploads.end(one);
        assert!(uploads.grow(other, MAX_LENGTH) && !uploads.grow(other, MAX_LENGTH + 1));
    }

    #[test]
    fn an_abandoned_upload_expires() {
        let mut uploads = Uploads::default();
        let lost = uploads.begin(0, 10);
        assert!(uploads.grow(lost, MAX_LENGTH));
        let next = uploads.begin(9, 19);
        assert!(!uploads.grow(next, 1));
        let next = uploads.begin(10, 20);
        assert!(uploads.grow(next, MAX_LENGTH));
    }
}
