//! Words for kinds of institutions and businesses.

/// What stands between the name and the kind: `medical center`, `high school`.
pub(super) fn is_middle(lower: &str) -> bool {
    matches!(
        lower,
        "medical"
            | "health"
            | "high"
            | "middle"
            | "elementary"
            | "primary"
            | "grammar"
            | "community"
            | "general"
            | "memorial"
            | "regional"
            | "state"
            | "credit"
            | "savings"
            | "national"
            | "dental"
            | "veterinary"
            | "animal"
            | "children"
            | "urgent"
            | "family"
            | "city"
            | "county"
            | "mutual"
            | "life"
            | "federal"
            | "technical"
            | "heavy"
    )
}

/// What departments and ministries are of.
pub(super) fn is_topic(lower: &str) -> bool {
    matches!(
        lower,
        "labor"
            | "labour"
            | "education"
            | "justice"
            | "health"
            | "defense"
            | "defence"
            | "energy"
            | "transportation"
            | "transport"
            | "agriculture"
            | "commerce"
            | "revenue"
            | "veterans"
            | "motor"
            | "homeland"
            | "finance"
            | "technology"
            | "corrections"
            | "taxation"
    )
}

/// Kinds that are of something.
pub(super) fn is_head(lower: &str) -> bool {
    matches!(
        lower,
        "university"
            | "universidad"
            | "université"
            | "università"
            | "universität"
            | "college"
            | "bank"
            | "department"
            | "ministry"
            | "institute"
            | "bureau"
            | "academy"
            | "infirmary"
            | "museum"
            | "federation"
            | "association"
            | "commonwealth"
    )
}

word_sets! {
    /// Kinds that stand before the name.
    is_lead: "stichting stadtwerke bistro brasserie pizzeria studio atelier kanzlei bäckerei \
        metzgerei praxis gasthof boulangerie pharmacie cabinet hôtel hotel panadería \
        ferretería cervecería bufete piekarnia apteka firma koninklijke grupo groupe gruppo \
        banco banca banque caisse fundación fundação fondation fondazione clínica clinique \
        instituto istituto institut compañía compagnie société gebr gebrüder gebroeders \
        autohaus apotheke trattoria ristorante osteria restaurante construcciones \
        distribuciones suministros talleres transportes cooperativa farmacia farmácia \
        universidad universidade université università colegio lycée";

    /// Legal forms and kinds that are hardly anything else behind a name, whatever its case.
    is_small_form: "gmbh llc llp ltd inc plc corp corporation bv nv sarl srl kft oyj ohg kgaa aps industries \
        enterprises technologies logistics holdings plumbing towing roofing motors \
        pharmaceuticals consulting shipping limited pty pvt holding freight telecom airlines \
        airways";

    /// Kinds of institutions: whatever name is before them is theirs.
    is_institution: "hospital clinic infirmary hospice university college school elementary academy \
        kindergarten preschool daycare bank airlines airways airline insurance assurance \
        pharmacy brewery bakery polytechnic seminary institute foundation museum healthcare \
        kaufhaus klinik klinikum universität hochschule sparkasse hôpital ministry parliament \
        kliniken spital ziekenhuis università universiteit universidad universidade université \
        conservatory observatory orphanage embassy consulate";

    /// Kinds of businesses, which are words of their own, too.
    is_business: "center centre practice dental dentistry orthodontics pediatrics union mutual plumbing \
        roofing towing trading shipping consulting consultants motors foods farms electric \
        electronics elektronik software systems solutions services security travel tours books \
        realty properties management ventures construction contractors contracting landscaping \
        cleaners cleaning restaurant grill diner pizzeria cafe café bistro hardware supply \
        energy telecom wireless broadband media studios records publishing publishers pharma \
        pharmaceuticals labs laboratories robotics semiconductors aerospace steel mining \
        petroleum chemicals textiles apparel fitness salon attorneys solicitors council \
        commission committee agency authority administration association society federation \
        league networks analytics dynamics instruments interactive entertainment bancorp capital \
        investments equity lending mortgage childcare movers garage autos tires jewelers \
        jewellers boutique florist catering winery vineyards distillery ranch stables kennels \
        veterinary optics opticians biotech biosciences genomics therapeutics diagnostics \
        freight trucking haulage courier couriers express cruises railways railroad utilities \
        waterworks recycling packaging printing furniture interiors architects engineering \
        engineers manufacturing tooling machinery automotive academies institutes tribune \
        gazette herald chronicle congress court police hospitality resorts suites inn hotels \
        casino marine brewing brewers nursery nurseries biologics paints coatings coaches \
        elevators lifts invest timber lumber lettings estates homes housing builders joinery \
        carpentry kitchens bathrooms flooring carpets tiles glazing plastics polymers rubber \
        metals alloys foundry ceramics bricks cement concrete aggregates minerals resources \
        exploration drilling oil gas petrol renewables solar nuclear hydro environmental agro \
        organics seeds feeds dairy dairies creamery meats butchers seafood fisheries beverages \
        drinks spirits wines vintners breweries roasters roastery coffee chocolates chocolatier \
        confectionery snacks eatery tavern brasserie steakhouse deli delicatessen patisserie \
        bakers cakes hotel hostel motel wellness yoga pilates gym gyms sports cycles bikes \
        motorcycles motorsport motorsports cars rentals rental leasing taxis cabs limousines \
        ferries maritime shipyard shipyards aviation avionics aircraft cargo forwarding \
        transport transportation distribution warehousing storage removals relocation parcels \
        communications telecommunications mobile telephony fibre fiber hosting cloud digital \
        technology tech data informatics computing computers cybersecurity gaming games insights \
        research sciences bioscience biopharma medicines oncology surgical implants imaging \
        radiology cardiology dermatology physiotherapy physio chiropractic podiatry optometry \
        eyecare eyewear nursing homecare fabrics garments clothing fashion fashions footwear \
        shoes jewellery jewelry cosmetics beauty fragrances toys crafts gifts stationery \
        stationers print press bookshop bookstore booksellers theatre theatres cinema cinemas \
        pictures films productions music radio television broadcasting news magazine advertising \
        marketing design designs creative branding ticketing recruitment staffing payroll \
        accountants accounting accountancy bookkeeping advisory advisors advisers legal notaries \
        wealth asset securities brokers brokerage banking savings pensions underwriting \
        underwriters reinsurance finance financial payments property realtors developers \
        developments surveyors scaffolding demolition excavation paving masonry decorators \
        electrical plumbers heating refrigeration fabrication fabricators welding tools \
        fasteners bearings pumps turbines batteries cables lighting appliances components \
        microsystems photonics lasers sensors automation controls drones satellites defense \
        defence locksmiths laundry laundromat hygiene facilities vending learning education \
        tutoring training alliance coalition chamber guild united rovers wanderers fc afc \
        biologicals organisation organization bancshares fintech ecommerce retail wholesale \
        wholesalers merchants traders exporters importers hauliers carriers shippers autohaus \
        automobiles dealership motoring outfitters supermarket supermarkets grocery grocers \
        market markets stores drugstore drugstores chemist chemists volksbank raiffeisenbank \
        landesbank werke stadtwerke groep gruppe grupp verlag logistik logistiek logistica transporte spedition";
}
