-- A stand-in for a civil registry, used by the demo and by tests. A site has tables of its own and creates
-- only the view padan.citizen over them: see deploy/registry.

CREATE TABLE civil_registry.person (
    nik                 text        PRIMARY KEY,
    name                text,
    date_of_birth       date,
    status              text        DEFAULT 'active',
    no_kk               text,
    mother_maiden_name  text,
    place_of_birth      text,
    address             text,
    gender              text,
    marital_status      text,
    job_type            text,
    province            text,
    city                text,
    district            text,
    subdistrict         text,
    rt                  text,
    rw                  text,
    portrait            bytea,
    portrait_updated_at timestamptz
);

COMMENT ON TABLE civil_registry.person IS
    'Invented people for demo and tests. Columns are unconstrained on purpose: a registry that is '
    'inconsistent must be representable, since the service has to answer for it.';

-- JPEG and PNG do not compress further; the attempt would cost time on every write.
ALTER TABLE civil_registry.person ALTER COLUMN portrait SET STORAGE EXTERNAL;

CREATE SCHEMA padan;

COMMENT ON SCHEMA padan IS 'What Padan reads of the civil registry: one view, nothing else.';

CREATE VIEW padan.citizen AS
SELECT nik,
       name,
       date_of_birth,
       status,
       no_kk,
       mother_maiden_name,
       place_of_birth,
       address,
       gender,
       marital_status,
       job_type,
       province,
       city,
       district,
       subdistrict,
       rt,
       rw,
       portrait,
       portrait_updated_at
  FROM civil_registry.person;

COMMENT ON VIEW padan.citizen IS
    'The contract between the site and Padan. One row a person; every column is present. Null in a column '
    'marked optional means that the site does not carry it, and the field is then not judged.';
COMMENT ON COLUMN padan.citizen.nik IS
    'text, 16 digits, unique, indexed: every look-up is by equality on it.';
COMMENT ON COLUMN padan.citizen.name IS
    'text, never empty: the name as on the card, titles included if the card has them.';
COMMENT ON COLUMN padan.citizen.date_of_birth IS
    'date, never null.';
COMMENT ON COLUMN padan.citizen.status IS
    'text: active, deceased, duplicate or inactive.';
COMMENT ON COLUMN padan.citizen.no_kk IS
    'text, optional: number of the family card.';
COMMENT ON COLUMN padan.citizen.mother_maiden_name IS
    'text, optional: the mother''s name before marriage.';
COMMENT ON COLUMN padan.citizen.place_of_birth IS
    'text, optional.';
COMMENT ON COLUMN padan.citizen.address IS
    'text, optional: street and number, without rt, rw and the administrative names.';
COMMENT ON COLUMN padan.citizen.gender IS
    'text, optional: as on the card.';
COMMENT ON COLUMN padan.citizen.marital_status IS
    'text, optional: as on the card.';
COMMENT ON COLUMN padan.citizen.job_type IS
    'text, optional: as on the card.';
COMMENT ON COLUMN padan.citizen.province IS
    'text, optional.';
COMMENT ON COLUMN padan.citizen.city IS
    'text, optional: kota or kabupaten.';
COMMENT ON COLUMN padan.citizen.district IS
    'text, optional: kecamatan.';
COMMENT ON COLUMN padan.citizen.subdistrict IS
    'text, optional: kelurahan or desa.';
COMMENT ON COLUMN padan.citizen.rt IS
    'text, optional: neighbourhood number.';
COMMENT ON COLUMN padan.citizen.rw IS
    'text, optional: number of the group of neighbourhoods.';
COMMENT ON COLUMN padan.citizen.portrait IS
    'bytea: the photo as an encoded PNG or JPEG file; null or empty when there is none.';
COMMENT ON COLUMN padan.citizen.portrait_updated_at IS
    'timestamptz: moves whenever the portrait changes, or a template of the old photo stays in use. '
    'Never null beside a portrait.';
