-- padan.citizen_of(NIK): the row of one person. With it the service needs no right to the view, so that its password is
-- not enough to copy the registry. Run it after citizen-view.sql, as the owner of the view: the function reads with its
-- owner's privileges. It needs no change for a site. It is planned once for each connection and uses the same index as
-- the view.

CREATE OR REPLACE FUNCTION padan.citizen_of(wanted text)
    RETURNS TABLE (
        nik text,
        name text,
        date_of_birth date,
        status text,
        no_kk text,
        mother_maiden_name text,
        place_of_birth text,
        address text,
        gender text,
        marital_status text,
        job_type text,
        province text,
        city text,
        district text,
        subdistrict text,
        rt text,
        rw text,
        portrait bytea,
        portrait_updated_at timestamptz
    )
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    -- Two rows tell a NIK that is not unique. Without a cast, a varchar column would not match.
    RETURN QUERY
    SELECT citizen.nik::text,
           citizen.name::text,
           citizen.date_of_birth,
           citizen.status::text,
           citizen.no_kk::text,
           citizen.mother_maiden_name::text,
           citizen.place_of_birth::text,
           citizen.address::text,
           citizen.gender::text,
           citizen.marital_status::text,
           citizen.job_type::text,
           citizen.province::text,
           citizen.city::text,
           citizen.district::text,
           citizen.subdistrict::text,
           citizen.rt::text,
           citizen.rw::text,
           citizen.portrait,
           citizen.portrait_updated_at
      FROM padan.citizen
     WHERE citizen.nik = wanted
     LIMIT 2;
END $$;

REVOKE ALL ON FUNCTION padan.citizen_of FROM PUBLIC;

COMMENT ON FUNCTION padan.citizen_of IS
    'The row of padan.citizen with this NIK: for a role that must not read the others.';
