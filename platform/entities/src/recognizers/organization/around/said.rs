//! The words that tell of companies.

word_sets! {
    /// Who is sent by a company, or speaks for it, and who is nobody in particular at one.
    is_role: "technician technicians driver drivers agent agents representative representatives rep \
        reps advisor adviser advisors advisers engineer engineers developer accountant manager \
        managers director salesman saleswoman salesperson recruiter recruiters consultant \
        consultants lawyer lawyers solicitor solicitors attorney attorneys courier couriers \
        installer plumber electrician contractor contractors broker analyst intern internship \
        trainee apprentice employee employees colleague colleagues clerk cashier receptionist \
        secretary assistant supervisor executive partner officer spokesperson spokesman \
        spokeswoman buyer auditor auditors inspector team staff crew someone somebody anyone \
        anybody everyone everybody person guy guys lady folks people contact contacts counterpart \
        operator dispatcher support";

    /// What one has or does at a company: `a job at`, `ten years at`.
    is_amid: "job jobs position role career internship apprenticeship placement years months weeks \
        decade decades time work working worked works employed started began shifts shift salary \
        department office interview interviewed engineer account accounts savings deposit loan \
        mortgage policy order ordered appointment treatment surgery operation procedure checkup admitted volunteer volunteers \
        volunteered volunteering desk stock prices service tenure";

    /// What two parties have with each other, and what a customer has with a company.
    is_party: "contract contracts agreement agreements deal deals policy policies account accounts \
        insurance insured plan plans order orders ordered booking bookings booked reservation \
        partnership partnerships partnered subscription mortgage loan loans pension merger merged \
        signed membership warranty broadband banking bank banked lease savings coverage venture \
        alliance collaboration dispute lawsuit negotiations talks tariff registered enrolled \
        takeover invested trading experience problem problems issue issues trouble";

    /// What customers get from a company.
    is_supply: "invoice invoices bill bills charge charges refund refunds debit payment receipt quote \
        quotation statement statements order orders ordered delivery deliveries shipment shipments \
        subscription newsletter insurance policy loan contract bought buy buying purchased \
        purchase hired rented renting rent leased leasing returned parcel parcels package packages \
        supplies supplied sourced outsourced offer switched switching switch transferred \
        downloaded import imported laptop router sourcing survey";

    /// What companies do to customers and things, and people hardly do.
    is_treated: "charged billed overcharged invoiced shipped delivered insured employed acquired \
        issued manufactured produced published distributed underwritten operated sponsored supplied \
        hired hosted debited debit debits refunded financed marketed serviced audited built \
        collected dispatched";

    /// What people do as well.
    is_made_by: "made owned held provided rejected denied approved declined developed sold backed \
        funded offered installed cancelled canceled licensed";

    /// What is of a company: `customer of`, `shares of`.
    is_of: "customer customers client clients ceo cfo cto coo employee employees founder cofounder \
        shares chairman chairwoman director directors subsidiary manager branch branches office \
        offices division merger takeover acquisition board spokesperson spokesman spokeswoman \
        executive president shareholder shareholders headquarters stock collapse ipo arm head sale";

    /// What one does for a company.
    is_for: "works working work worked drives drove consultant spokesperson spokesman spokeswoman \
        representative contractor supplier distributor lobbyist consults freelances freelanced \
        consulting subcontractor plays played playing";

    /// What a company is: `the startup …`, `our supplier …`.
    is_kind_noun: "supplier startup airline firm company carrier insurer retailer employer chain brand \
        vendor provider competitor manufacturer publisher contractor giant broker wholesaler \
        agency bank charity subsidiary rival distributor automaker carmaker drugmaker \
        chipmaker watchmaker lender conglomerate consultancy nonprofit ngo cooperative fintech \
        marketplace merchant operator reseller streamer airliner rivals companies banks \
        airlines retailers suppliers firms startups competitors carmakers chipmakers insurers \
        carriers brands providers vendors lenders chains drugmakers operators newcomer unicorn";

    /// What companies have, behind their name.
    is_business: "technician technicians website app account store stores shop shops branch employee \
        employees van truck warehouse representative rep team subscription membership invoice \
        contract policy helpline hotline card plan statement portal router engineer shares delivery \
        customers customer staff support shares headquarters office login gift voucher \
        newsletter loyalty server servers software subsidiary spokesperson spokesman \
        spokeswoman ceo executives executive factory bill refund outage \
        downtime dashboard api integration licence license platform router modem install merger acquisition";

    /// What a company has, and a person has not: `Qorvia's new plant`.
    is_companys: "ceo cfo cto coo spokesman spokeswoman spokesperson headquarters shares \
        shareholders stock portal website servers server employees chairman subsidiary factory \
        factories profits earnings revenue management warehouse plant plants prices software app \
        products services fees network board investors offices rivals competitors customers workers \
        brand merger acquisition takeover ipo platform tariffs helpline branches stores terminals \
        turbines terms premiums policyholders subscribers drivers couriers engineers flagship";

    /// What one does at people and things, not at companies.
    is_gaze: "look looks looked looking laugh laughs laughed laughing shout shouted shouting yell \
        yelled yelling angry mad smile smiled smiling stare stared staring glance glanced swear \
        swore aim aimed pointed point wave waved screamed scream annoyed furious surprised good \
        bad great better";

    /// What one does at places.
    is_stay: "stay stayed staying stays live lives lived living arrive arrives arrived arriving stop \
        stops stopped land landed lands landing station airport exit born held located parked park \
        camped dinner lunch breakfast festival concert meet met meeting junction game match won \
        lost finished left dropped";
}
