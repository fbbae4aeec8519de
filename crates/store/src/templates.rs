//! Face templates, and what is drawn from, compared with and removed among them.

pub(crate) mod absent_people;
pub(crate) mod batch;
pub(crate) mod cohort;
pub(crate) mod cohort_people;
pub(crate) mod copy;
pub(crate) mod figures;
pub(crate) mod keys;
pub(crate) mod pruning;
pub(crate) mod reservoir;
pub(crate) mod rotation;
mod row_key;
pub(crate) mod sample;

use chrono::{DateTime, Utc};
use padan_domain::Embedding;
use zeroize::Zeroizing;

use crate::{
    error::StoreError,
    templates::keys::{Sealed, TemplateKeys},
};

/// A person's face template under one model contract.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTemplate {
    /// The registry's `portrait_updated_at` of the template's photo, in microseconds. The template is stale when the
    /// registry has another value.
    pub portrait_updated_at: DateTime<Utc>,
    /// The embedding, or the reason why there is none.
    pub content: TemplateContent,
    /// The version of the decoder that read the photo; 0 when it was not recorded.
    pub decoder_version: i16,
}

/// The embedding, or the reason why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplateContent {
    /// The portrait has a face.
    Usable {
        /// The embedding of the face.
        embedding: Embedding,
        /// Whether the face is covered or cut off; `None` when the program that made the template did not judge it.
        covered: Option<bool>,
    },
    /// The portrait has no usable face, with a reason code such as `NO_FACE`. It need not be analysed again until it
    /// changes.
    Unusable(String),
}

impl StoredTemplate {
    /// The reason why there is no embedding; `None` when there is one.
    pub fn unusable_reason(&self) -> Option<&str> {
        match &self.content {
            TemplateContent::Usable { .. } => None,
            TemplateContent::Unusable(reason) => Some(reason),
        }
    }

    /// Whether the embedding is that of a covered or cut-off face.
    pub fn is_covered(&self) -> bool {
        matches!(self.content, TemplateContent::Usable { covered: Some(true), .. })
    }

    /// Whether there is no embedding, but a decoder of this version may get one out of the same photo.
    pub fn may_become_usable(&self, decoder_version: i16) -> bool {
        self.unusable_reason().is_some() && self.decoder_version < decoder_version
    }
}

/// The key of a row.
pub(crate) struct TemplateId {
    pub(crate) person: [u8; 32],
    pub(crate) contract: String,
}

pub(crate) struct TemplateRow {
    pub(crate) portrait_updated_at: DateTime<Utc>,
    pub(crate) key_id: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) unusable_reason: Option<String>,
    pub(crate) decoder_version: i16,
    pub(crate) covered: Option<bool>,
}

impl TemplateId {
    /// The associated data of the encryption, which binds the content of a row to the row and to its photo. Without an
    /// embedding the content is the reason, and the version of the decoder that found it.
    pub(crate) fn context(
        &self,
        portrait_updated_at: DateTime<Utc>,
        unusable: Option<(&str, i16)>,
    ) -> Vec<u8> {
        let moment = portrait_updated_at.timestamp_micros().to_be_bytes();
        let (person, contract) = (&self.person[..], self.contract.as_bytes());
        match unusable {
            None => [&b"padan template 1\0"[..], person, contract, &moment].concat(),
            Some((reason, decoder_version)) => {
                let version = decoder_version.to_be_bytes();
                let purpose = &b"padan unusable portrait 1\0"[..];
                [purpose, person, contract, &moment, &version, reason.as_bytes()].concat()
            }
        }
    }
}

impl TemplateRow {
    pub(crate) fn seal(
        template: &StoredTemplate,
        id: &TemplateId,
        keys: &TemplateKeys,
    ) -> Result<Self, StoreError> {
        let StoredTemplate { portrait_updated_at, content, decoder_version } = template;
        let (portrait_updated_at, decoder_version) = (*portrait_updated_at, *decoder_version);
        let (plain, unusable_reason, covered) = match content {
            TemplateContent::Usable { embedding, covered } => {
                (Zeroizing::new(to_bytes(embedding)), None, *covered)
            }
            TemplateContent::Unusable(reason) => (Zeroizing::default(), Some(reason.clone()), None),
        };
        let unusable = unusable_reason.as_deref().map(|reason| (reason, decoder_version));
        let Sealed { key_id, bytes } = keys.seal(&plain, &id.context(portrait_updated_at, unusable))?;
        let (key_id, sealed) = (Some(key_id), Some(bytes));
        Ok(Self { portrait_updated_at, key_id, sealed, unusable_reason, decoder_version, covered })
    }

    /// Decrypts the content and checks that it belongs to this row. `None` for a reason without a seal, which an
    /// earlier program wrote or somebody else: it counts as no template.
    pub(crate) fn open(
        self,
        id: &TemplateId,
        keys: &TemplateKeys,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        let Self { portrait_updated_at, key_id, sealed, unusable_reason, decoder_version, covered } = self;
        let sealed = match (key_id, sealed, &unusable_reason) {
            (Some(key_id), Some(bytes), _) => Sealed { key_id, bytes },
            (None, None, Some(_)) => return Ok(None),
            _ => return Err(StoreError::inconsistent("unusable_reason")),
        };
        let unusable = unusable_reason.as_deref().map(|reason| (reason, decoder_version));
        let plain = keys.open(&sealed, &id.context(portrait_updated_at, unusable))?.map(Zeroizing::new);
        let plain = plain.as_ref().map(|plain| plain.as_slice());
        let content = match unusable_reason {
            None => {
                let embedding = plain.and_then(from_bytes);
                let embedding = embedding.ok_or_else(|| StoreError::inconsistent("sealed"))?;
                TemplateContent::Usable { embedding, covered }
            }
            Some(reason) if plain == Some(&[]) => TemplateContent::Unusable(reason),
            Some(_) => return Err(StoreError::inconsistent("unusable_reason")),
        };
        Ok(Some(StoredTemplate { portrait_updated_at, content, decoder_version }))
    }
}

pub(crate) fn to_bytes(embedding: &Embedding) -> Vec<u8> {
    embedding.as_slice().iter().flat_map(|component| component.to_le_bytes()).collect()
}

pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Embedding> {
    let (components, rest) = bytes.as_chunks::<4>();
    let components = components.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    rest.is_empty().then(|| Embedding::from_unit(components).ok())?
}
