//! Draws people at random and opens their templates, to compare them with each other in memory.
//!
//! The keys of people are hashes under a secret key. The people from a key on are therefore a random sample, whoever they
//! are: neither the NIK nor the time at which a template was made decides who is drawn.

use std::fmt;

use chrono::{DateTime, Utc};
use padan_domain::{ModelContractId, NationalId};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    error::StoreError,
    handles::Templates,
    templates::{
        TemplateId,
        keys::{Sealed, TemplateKeys},
    },
};

/// The hash by which the store knows a person.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonHash([u8; 32]);

/// The templates of people, in plain form. They are overwritten when it is dropped.
pub struct TemplateSample {
    people: Vec<PersonHash>,
    components: Zeroizing<Vec<f32>>,
    length: usize,
    most: usize,
    left_out: LeftOut,
}

/// How many templates were left out, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The portrait has no usable face.
    pub unusable: usize,
    /// The face is covered or cut off.
    pub covered: usize,
    /// The row cannot be decrypted.
    pub unreadable: usize,
}

/// The number of rows that one statement reads, which limits its time.
const PAGE: i64 = 2000;

impl PersonHash {
    /// The hash of a row; `None` when it has another length.
    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        key.try_into().ok().map(Self)
    }

    pub(crate) fn key(self) -> [u8; 32] {
        self.0
    }

    /// One of so many parts into which people fall, independently of each other.
    pub fn part(&self, parts: u8) -> u8 {
        // The last byte: people who were drawn together have the same first ones.
        self.0[31] % parts
    }
}

impl TemplateSample {
    /// A sample without people, for at most `most` people.
    pub fn new(most: usize) -> Self {
        let (people, components) = (Vec::new(), Zeroizing::default());
        Self { people, components, length: 0, most, left_out: LeftOut::default() }
    }

    /// The people, in the order of their templates.
    pub fn people(&self) -> &[PersonHash] {
        &self.people
    }

    /// What was left out.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Whether it has as many people as it may.
    pub fn is_full(&self) -> bool {
        self.people.len() >= self.most
    }

    /// The components of all templates, one template after the other, and the number of components of one.
    pub fn into_components(self) -> (Zeroizing<Vec<f32>>, usize) {
        (self.components, self.length)
    }

    fn add(&mut self, row: SampledRow, contract: &str, keys: &TemplateKeys) -> Result<(), StoreError> {
        if row.unusable_reason.is_some() {
            self.left_out.unusable += 1;
            return Ok(());
        }
        if row.covered == Some(true) {
            self.left_out.covered += 1;
            return Ok(());
        }
        let Some(Opened { person, plain }) = row.open(contract, keys)? else {
            self.left_out.unreadable += 1;
            return Ok(());
        };
        let (values, rest) = plain.as_chunks::<4>();
        if self.people.is_empty() {
            self.length = values.len();
            // A vector that grows would leave copies behind.
            self.components.reserve_exact(self.length * self.most);
        }
        let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let squares: f64 = values.clone().map(|value| f64::from(value).powi(2)).sum();
        if !rest.is_empty() || values.len() != self.length || (squares - 1.0).abs() >= 1e-5 {
            self.left_out.unreadable += 1;
            return Ok(());
        }
        self.components.extend(values);
        self.people.push(person);
        Ok(())
    }
}

impl Templates {
    /// The hash of a person.
    ///
    /// # Errors
    ///
    /// When the store was opened without person keys.
    pub fn person_hash(&self, nik: &NationalId) -> Result<PersonHash, StoreError> {
        self.0.person_keys()?.of(nik).map(PersonHash)
    }

    /// Draws people with a template of this contract until the sample is full, or all people were drawn. The seed decides
    /// who is drawn. A sample is drawn once: a second draw could add the same people.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn draw(
        &self,
        sample: &mut TemplateSample,
        contract: &ModelContractId,
        seed: u64,
    ) -> Result<(), StoreError> {
        let keys = self.0.template_keys()?;
        self.visit_drawn(contract, seed, |row| {
            if sample.is_full() {
                return Ok(false);
            }
            sample.add(row, contract.as_str(), keys)?;
            Ok(true)
        })
        .await
    }

    /// Visits the rows of people who are drawn, until the visitor returns false or all people were drawn.
    pub(crate) async fn visit_drawn(
        &self,
        contract: &ModelContractId,
        seed: u64,
        mut visit: impl FnMut(SampledRow) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let start = Sha256::new().chain_update(b"padan draw of people 1\0").chain_update(seed.to_be_bytes());
        let start = start.finalize().to_vec();
        let (mut after, mut is_second_part) = (start.clone(), false);
        loop {
            let query = || {
                sqlx::query_as!(
                    SampledRow,
                    "SELECT person_key, portrait_updated_at, key_id, sealed, unusable_reason, covered
                       FROM store.face_template
                      WHERE person_key > $1
                        AND contract_id = $2
                      ORDER BY person_key
                      LIMIT $3",
                    after,
                    contract.as_str(),
                    PAGE
                )
            };
            let rows = self.0.pool().fetch_all(query).await?;
            match rows.last() {
                Some(last) => after.clone_from(&last.person_key),
                None if is_second_part => return Ok(()),
                // After the highest key, the lowest one follows.
                None => (after, is_second_part) = (Vec::new(), true),
            }
            for row in rows {
                if is_second_part && row.person_key > start || !visit(row)? {
                    return Ok(());
                }
            }
        }
    }

    /// Adds the templates of these people until the sample is full. A person must not occur twice.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn add_people(
        &self,
        sample: &mut TemplateSample,
        niks: &[NationalId],
        contract: &ModelContractId,
    ) -> Result<(), StoreError> {
        for niks in niks.chunks(PAGE as usize) {
            let people = niks.iter().map(|nik| Ok(self.0.person_keys()?.of(nik)?.to_vec()));
            let people = people.collect::<Result<Vec<_>, StoreError>>()?;
            // Makes one index look-up for each person, as for the summaries of templates.
            let query = || {
                sqlx::query_as!(
                    SampledRow,
                    r#"SELECT kept.person_key AS "person_key!", kept.portrait_updated_at AS "portrait_updated_at!",
                              kept.key_id, kept.sealed, kept.unusable_reason, kept.covered
                         FROM unnest($1::bytea[]) AS asked (person_key),
                              LATERAL (SELECT person_key, portrait_updated_at, key_id, sealed, unusable_reason, covered
                                         FROM store.face_template
                                        WHERE person_key = asked.person_key
                                          AND contract_id = $2
                                        GROUP BY person_key, contract_id) AS kept"#,
                    &people,
                    contract.as_str()
                )
            };
            for row in self.0.pool().fetch_all(query).await? {
                if sample.is_full() {
                    return Ok(());
                }
                sample.add(row, contract.as_str(), self.0.template_keys()?)?;
            }
        }
        Ok(())
    }
}

/// A template as it is in the store.
pub(crate) struct SampledRow {
    pub(crate) person_key: Vec<u8>,
    pub(crate) portrait_updated_at: DateTime<Utc>,
    pub(crate) key_id: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) unusable_reason: Option<String>,
    pub(crate) covered: Option<bool>,
}

/// A person's template in plain form.
struct Opened {
    person: PersonHash,
    plain: Zeroizing<Vec<u8>>,
}

impl SampledRow {
    /// The decrypted template; `None` when it cannot be decrypted.
    fn open(self, contract: &str, keys: &TemplateKeys) -> Result<Option<Opened>, StoreError> {
        let (Ok(person), Some(key_id), Some(bytes)) =
            (<[u8; 32]>::try_from(self.person_key), self.key_id, self.sealed)
        else {
            return Ok(None);
        };
        let context =
            TemplateId { person, contract: contract.to_owned() }.context(self.portrait_updated_at, None);
        match keys.open(&Sealed { key_id, bytes }, &context) {
            Ok(plain) => {
                Ok(plain.map(|plain| Opened { person: PersonHash(person), plain: Zeroizing::new(plain) }))
            }
            Err(StoreError::UnknownKey(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for PersonHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonHash")
    }
}

impl fmt::Debug for TemplateSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TemplateSample")
    }
}
