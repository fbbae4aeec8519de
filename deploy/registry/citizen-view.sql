-- padan.citizen over the example tables. Column names and types are the contract; the rest is the site's.
-- Run it as the owner of the tables, or a role that may read them: the view reads with its owner's rights.

-- The NIK is a number here, which loses a leading zero. The look-up is by this expression, so it is indexed.
CREATE INDEX IF NOT EXISTS biodata_nik_as_text ON kependudukan.biodata (lpad(nik::text, 16, '0'));

CREATE SCHEMA IF NOT EXISTS padan;

CREATE OR REPLACE VIEW padan.citizen AS
SELECT lpad(person.nik::text, 16, '0')          AS nik,
       -- As on the card. Titles may stay: they are not compared.
       person.nama_lgkp::text                   AS name,
       person.tgl_lhr                           AS date_of_birth,
       -- Four words, and no fifth: a code that is not listed becomes null, which is answered 503 and so gets
       -- noticed. Map it on purpose, or leave such people out with WHERE.
       CASE person.flag_status
           WHEN '0' THEN 'active'
           WHEN '1' THEN 'deceased'
           WHEN '2' THEN 'duplicate'
           WHEN '3' THEN 'inactive'
       END                                      AS status,
       lpad(person.no_kk::text, 16, '0')        AS no_kk,
       person.nama_ibu::text                    AS mother_maiden_name,
       person.tmpt_lhr::text                    AS place_of_birth,
       person.alamat::text                      AS address,
       CASE person.jenis_klmin
           WHEN 1 THEN 'LAKI-LAKI'
           WHEN 2 THEN 'PEREMPUAN'
       END                                      AS gender,
       CASE person.stat_kwn
           WHEN 1 THEN 'BELUM KAWIN'
           WHEN 2 THEN 'KAWIN'
           WHEN 3 THEN 'CERAI HIDUP'
           WHEN 4 THEN 'CERAI MATI'
       END                                      AS marital_status,
       person.pekerjaan::text                   AS job_type,
       region.provinsi::text                    AS province,
       region.kabupaten::text                   AS city,
       region.kecamatan::text                   AS district,
       region.kelurahan::text                   AS subdistrict,
       lpad(person.no_rt::text, 3, '0')         AS rt,
       -- A field that the site does not have would be: NULL::text AS rw
       lpad(person.no_rw::text, 3, '0')         AS rw,
       photo.foto                               AS portrait,
       -- A moment without a time zone gets the one in which it was recorded.
       photo.tgl_rekam AT TIME ZONE 'Asia/Jakarta' AS portrait_updated_at
  FROM kependudukan.biodata AS person
  -- Left joins: a person without region or photo is still a person. Each finds at most one row.
  LEFT JOIN kependudukan.wilayah AS region ON region.kode = person.wilayah
  LEFT JOIN kependudukan.foto AS photo ON photo.nik = person.nik;

COMMENT ON VIEW padan.citizen IS 'What Padan reads of the civil registry: one row a NIK.';
