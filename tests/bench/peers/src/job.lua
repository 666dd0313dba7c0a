-- JSON's null, as the host has it: a field that is null is there.
local null = ...

local byte, find, lower, sub, upper = string.byte, string.find, string.lower, string.sub, string.upper
local floor = math.floor

-- Loops over bytes rather than patterns: LuaJIT does not compile what uses patterns.
local function trim(text)
    local first, last = 1, #text
    while first <= last and byte(text, first) <= 32 do first = first + 1 end
    while last >= first and byte(text, last) <= 32 do last = last - 1 end
    return sub(text, first, last)
end

local function title(text)
    local out, at = "", 1
    while true do
        local blank = find(text, " ", at, true)
        local word = sub(text, at, blank or #text)
        out = out .. upper(sub(word, 1, 1)) .. lower(sub(word, 2))
        if not blank then return out end
        at = blank + 1
    end
end

-- A date, or nothing where the text is none.
local function founded(text)
    if #text ~= 10 or byte(text, 5) ~= 45 or byte(text, 8) ~= 45 then return null end
    local year, month, day = tonumber(sub(text, 1, 4)), tonumber(sub(text, 6, 7)), tonumber(sub(text, 9, 10))
    if not (year and month and day) or month < 1 or month > 12 or day < 1 then return null end
    local days = 31
    if month == 4 or month == 6 or month == 9 or month == 11 then
        days = 30
    elseif month == 2 then
        days = (year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)) and 29 or 28
    end
    return day <= days and text or null
end

local function first_order(date)
    if date == null then return null end
    return sub(date, 9, 10) .. "." .. sub(date, 6, 7) .. "." .. sub(date, 1, 4)
end

local function or_else(value, default)
    if value == null then return default end
    return value
end

local holds = { No = 0, Never = 0, Invoice = 1, All = 2, Payment = 2, Requisition = 2 }
local segments = { "retail", "wholesale", "public" }

return function(from)
    if from.PartyType ~= "Organization" then return nil end
    local agent = from.SalesPerson
    local at = find(agent, " ", 1, true)
    return {
        number = from.Account,
        telephone = from.Phone,
        fax = from.Fax,
        website = from.Website,
        street = from.Street,
        city = from.City,
        postalcode = from.PostalCode,
        state = from.State,
        name = trim(from.Name),
        emailaddress = lower(trim(from.Email)),
        country = upper(from.Country),
        contact = from.FirstName .. " " .. from.LastName,
        title = title(from.ContactTitle),
        agent_first = sub(agent, 1, at - 1),
        agent_last = sub(agent, at + 1),
        notes = sub(from.Notes, 1, 100),
        hold = holds[from.HoldStatus],
        segment = segments[from.Segment] or "other",
        language = or_else(from.Language, "en-us"),
        currency = or_else(from.Currency, "EUR"),
        terms = or_else(from.PaymentTerms, "N30"),
        employees = tostring(from.Employees),
        sic = tostring(from.LineOfBusiness),
        credit_cents = floor(from.CreditLimit * 100 + 0.5),
        balance = floor(from.Balance * 100 + 0.5) / 100,
        founded = founded(from.Founded),
        first_order = first_order(from.FirstOrder),
        approved = sub(from.Approved, 1, 10),
        taxable = not from.IsTaxExempt and not from.IsBlocked and from.Vat ~= "",
        customertype = 3,
    }
end
