//! Templates of people who were drawn at random, to compare selfies with the faces of others.
//!
//! They stay encrypted in memory, as they are in the store. A template is in plain form only while it is compared.

use std::{collections::HashSet, fmt};

use chrono::{DateTime, Utc};
use padan_domain::{Embedding, ModelContractId};
use zeroize::Zeroizing;

use crate::{
    error::StoreError,
    handles::Templates,
    templates::{
        TemplateId, from_bytes,
        keys::{Sealed, TemplateKeys},
        sample::{PersonHash, SampledRow},
    },
};

/// Templates of people who were drawn at random, encrypted, under one model contract.
pub struct Reservoir {
    contract: ModelContractId,
    keys: TemplateKeys,
    people: Vec<HeldTemplate>,
}

struct HeldTemplate {
    person: PersonHash,
    portrait_updated_at: DateTime<Utc>,
    sealed: Sealed,
}

/// Somebody else, with a decrypted template.
#[derive(Debug)]
pub struct OtherPerson {
    /// The hash of the person.
    pub person: PersonHash,
    /// The template. It is overwritten when it is dropped.
    pub embedding: Embedding,
}

impl Templates {
    /// Draws at most so many people with a template of this contract. Portraits without a usable face, and covered faces,
    /// are left out. The seed decides who is drawn.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn draw_reservoir(
        &self,
        contract: &ModelContractId,
        most: usize,
        seed: u64,
    ) -> Result<Reservoir, StoreError> {
        let keys = self.0.template_keys()?.clone();
        let mut reservoir = Reservoir { contract: contract.clone(), keys, people: Vec::new() };
        self.visit_drawn(contract, seed, |row| {
            reservoir.add(row);
            Ok(reservoir.people.len() < most)
        })
        .await?;
        Ok(reservoir)
    }
}

impl Reservoir {
    /// The contract of the templates.
    pub fn contract(&self) -> &ModelContractId {
        &self.contract
    }

    /// The number of people.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// Draws up to `count` different people, never `except`, and decrypts their templates. `random` gives independent
    /// numbers, of which every one is equally likely. Templates that cannot be decrypted are left out.
    pub fn draw(
        &self,
        count: usize,
        except: &PersonHash,
        mut random: impl FnMut() -> u64,
    ) -> Vec<OtherPerson> {
        let mut drawn = HashSet::new();
        // In a small reservoir the same people come up again and again.
        for _ in 0..4 * count {
            if drawn.len() == count || self.people.is_empty() {
                break;
            }
            drawn.insert((random() % self.people.len() as u64) as usize);
        }
        let others = drawn.into_iter().map(|at| &self.people[at]).filter(|held| held.person != *except);
        others.filter_map(|held| self.open(held)).collect()
    }

    fn add(&mut self, row: SampledRow) {
        let SampledRow { person_key, portrait_updated_at, key_id, sealed, unusable_reason, covered } = row;
        if unusable_reason.is_some() || covered == Some(true) {
            return;
        }
        if let (Some(person), Some(key_id), Some(bytes)) = (PersonHash::of_key(&person_key), key_id, sealed) {
            self.people.push(HeldTemplate { person, portrait_updated_at, sealed: Sealed { key_id, bytes } });
        }
    }

    fn open(&self, held: &HeldTemplate) -> Option<OtherPerson> {
        let id = TemplateId { person: held.person.key(), contract: self.contract.as_str().to_owned() };
        let plain = self.keys.open(&held.sealed, &id.context(held.portrait_updated_at, None)).ok()??;
        let embedding = from_bytes(&Zeroizing::new(plain))?;
        Some(OtherPerson { person: held.person, embedding })
    }
}

impl fmt::Debug for Reservoir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reservoir")
    }
}
