use std::time::Instant;

use padan_domain::Photo;

use crate::{
    config::Config,
    decode::{Bounds, Declared, Decoder},
    error::FaceError,
};

/// Reads photos as strictly as the engine's workers do, without a network. For one thread.
pub struct PhotoReader {
    decoder: Decoder,
    decoded_side: u32,
}

impl PhotoReader {
    /// A reader with the limits of these settings.
    pub fn new(config: &Config) -> Self {
        Self { decoder: Decoder::new(Bounds::of(config)), decoded_side: config.detection.decoded_side }
    }

    /// Decodes a photo whole, and returns its width and height as stored. None of its pixels is kept.
    ///
    /// # Errors
    ///
    /// [`FaceError::Rejected`] when the photo is damaged, incomplete or too large, [`FaceError::Expired`] when the time
    /// does not suffice.
    pub fn read(&mut self, photo: &Photo, deadline: Instant) -> Result<(u32, u32), FaceError> {
        let Declared { cost, .. } = self.decoder.inspect(photo, self.decoded_side);
        cost.map_err(FaceError::Rejected)?;
        self.decoder.set_deadline(Some(deadline));
        let picture = self.decoder.decode(photo, self.decoded_side);
        self.decoder.set_deadline(None);
        let picture = picture?;
        let size = picture.size;
        self.decoder.reuse_memory(picture);
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::PhotoFault;

    fn photo(bytes: &[u8]) -> Photo {
        Photo::try_from(bytes::Bytes::copy_from_slice(bytes)).unwrap()
    }

    #[test]
    fn a_photo_is_read_whole_and_leaves_no_pixel() {
        let mut reader = PhotoReader::new(&crate::test_support::config());
        let soon = Instant::now() + Duration::from_mins(1);
        let whole = include_bytes!("../tests/fixtures/odd/turned_90.jpg");
        let size = reader.read(&photo(whole), soon).unwrap();
        assert!(size.0 > 0 && size.1 > 0);
        assert!(reader.decoder.is_wiped());
        for cut in [&include_bytes!("../tests/fixtures/odd/truncated_50.jpg")[..], &whole[..whole.len() / 2]]
        {
            assert_eq!(reader.read(&photo(cut), soon), Err(FaceError::Rejected(PhotoFault::Unreadable)));
        }
        assert_eq!(reader.read(&photo(whole), Instant::now()), Err(FaceError::Expired));
        assert_eq!(reader.read(&photo(whole), soon).unwrap(), size, "a fault leaves nothing behind");
    }
}
