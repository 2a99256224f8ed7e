//! The faults of images.

use std::fmt;

/// The reason why an environment cannot be loaded from an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFault {
    /// The bytes are no image.
    NoImage,
    /// The image has a layout that this build does not read.
    OtherFormat,
    /// The checksum differs.
    Damaged,
    /// The image was made by another version of the worker.
    OtherBuild,
    /// The image was made for another engine.
    OtherEngine,
    /// The image was made from another document.
    OtherDocument,
    /// The content is no environment, although the checksum is valid.
    Invalid,
}

impl ImageFault {
    /// A name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            ImageFault::NoImage => "no_image",
            ImageFault::OtherFormat => "other_format",
            ImageFault::Damaged => "damaged",
            ImageFault::OtherBuild => "other_build",
            ImageFault::OtherEngine => "other_engine",
            ImageFault::OtherDocument => "other_document",
            ImageFault::Invalid => "invalid",
        }
    }
}

impl fmt::Display for ImageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub type Result<T> = std::result::Result<T, ImageFault>;
