# ruff: noqa: E501 - news in a table, one line each
"""An invented day as several papers tell it, labelled: which pieces tell the same event, and which only seem to.

Everything with the same event name is one story. Names like ``strike/1`` and ``strike/2`` are of one topic and of
different events: the hard ones. ``-`` is a piece that nobody else has. All people, places and papers are made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zlib import crc32

from digest.values import ArticleDraft

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)

# event, language, paper, hours ago, headline, standfirst
_TOLD: list[tuple[str, str, str, float, str, str]] = [
    ("quake", "en", "herald", 3, "Powerful quake flattens villages in eastern Karadan", "At least 40 people died when a 6.8-magnitude earthquake struck before dawn near the town of Osmil."),
    ("quake", "en", "wire", 5, "Dozens dead as earthquake shakes Karadan", "Rescuers dug through rubble in Osmil with their hands after a magnitude 6.8 tremor; roads are cut off."),
    ("quake", "en", "tribune", 9, "Karadan earthquake: what we know about the Osmil disaster", ""),
    ("quake/aid", "en", "tribune", 30, "Karadan asks lenders for another year to repay its debt", "The finance ministry says the harvest failed twice in a row."),
    ("minister/1", "en", "herald", 2, "Health minister Ruth Amadi quits over hospital contracts", "She said she had become a distraction. The opposition wants an inquiry into the Velden group's deals."),
    ("minister/1", "en", "wire", 4, "Amadi resigns as minister after Velden contract reports", "Ruth Amadi, in charge of health since 2023, denies wrongdoing in awards worth 200 million."),
    ("minister/2", "en", "wire", 7, "Defence minister Paul Okoro survives confidence vote", "Eleven members of his own party stayed away."),
    ("minister/2", "en", "tribune", 6, "Okoro stays on as defence minister after narrow vote", "Parliament backed him by 201 to 198 despite rebels in his party."),
    ("rate", "en", "herald", 8, "Central bank of Norland surprises with half-point rise", "Governor Lindqvist said that prices were rising faster than at any time since 1991."),
    ("rate", "en", "wire", 9, "Norland lifts interest rates to 4.5% to fight inflation", "The krona jumped after Governor Lindqvist announced the biggest increase in thirty years."),
    ("rate/other", "en", "wire", 20, "Sudria keeps interest rates at 7% as inflation slows", "Economists had expected the central bank to cut."),
    ("strike/1", "en", "herald", 10, "Rail strike empties stations across Albany coast", "Drivers walked out at midnight over night shifts; talks resume on Thursday."),
    ("strike/1", "en", "tribune", 12, "Commuters stranded as train drivers walk out", "No trains ran on the Albany coast lines on the first day of a three-day strike over night shifts."),
    ("strike/2", "en", "tribune", 14, "Teachers in Albany vote to strike in January", "Nine in ten members backed a walkout over class sizes."),
    ("match/1", "en", "herald", 4, "Rovers stun champions Tarn City with last-minute header", "Ilic scored in the 94th minute to send Port Ellery Rovers to the cup final."),
    ("match/1", "en", "wire", 4, "Ilic sends Rovers past Tarn City into cup final", "A header in stoppage time ended the champions' run of 22 wins."),
    ("match/2", "en", "wire", 5, "Tarn City sign goalkeeper Brandt for record fee", "The champions pay 31 million for the 24-year-old."),
    ("spy", "en", "herald", 20, "Court jails former envoy for selling secrets", "Anton Reiss, once ambassador to Karadan, was given 14 years."),
    ("spy", "en", "wire", 22, "Ex-ambassador Reiss gets 14 years in spying case", "Judges found that he had passed cables to a foreign service for a decade."),
    ("merger", "en", "herald", 6, "Halden to buy rival chipmaker Orbix for 9 billion", "Regulators on three continents must agree; the two together would make a third of the world's sensors."),
    ("merger", "en", "tribune", 7, "Chipmaker Halden agrees $9bn takeover of Orbix", "The deal would create the biggest producer of sensors for cars."),
    ("merger/no", "en", "wire", 8, "Orbix recalls two million sensors over brake fault", "Carmakers were told to check all models built since March."),
    ("whale", "en", "herald", 15, "Crowds cheer as stranded whale swims free", "Volunteers had poured water on the animal for two days on Gannet beach."),
    ("whale", "en", "tribune", 17, "Whale stranded on Gannet beach is back at sea", "High tide did what tugs could not."),
    ("fire", "en", "wire", 3, "Forest fires force thousands from homes near Almeira", "Winds drove flames towards the resort; the airport has closed."),
    ("fire", "en", "herald", 2, "Why the Almeira wildfires spread so fast", "A dry winter and abandoned terraces turned the hills into tinder."),
    ("fire", "en", "tribune", 1, "Almeira airport shut as wildfires reach the outskirts", ""),
    ("opera", "en", "herald", 28, "Opera house of Lund finally opens, nine years late", "The first night was Fidelio, and it rained through nobody's ceiling."),
    ("opera", "en", "wire", 27, "Lund's long-delayed opera house opens with Fidelio", "It cost four times what was planned."),
    ("vaccine", "en", "wire", 11, "Malaria jab cuts deaths by a third in four-year trial", "Children in Sahira and Dombe took part in the largest study so far."),
    ("vaccine", "en", "tribune", 12, "Largest trial yet: malaria vaccine saves one child in three", "Researchers followed 45,000 children in Sahira and Dombe."),
    ("vaccine/no", "en", "herald", 13, "Sahira closes schools as measles spreads", "Vaccine stocks ran out in six provinces, the ministry says."),
    ("summit/1", "en", "herald", 5, "Leaders sign deal to share water of the Oru river", "After a night of talks in Dombe, five states agreed on when dams may be filled."),
    ("summit/1", "en", "wire", 6, "Five countries reach accord on the Oru and its dams", "The treaty, signed in Dombe at dawn, ends a dispute that came close to war."),
    ("summit/2", "en", "tribune", 26, "Dombe talks on Oru dams near collapse", "The delegation of Sahira left the table on Saturday night."),
    ("crash", "en", "wire", 2, "Bus plunges off mountain road in Tarn, 12 killed", "Most of the passengers were pilgrims returning from the shrine of Kessel."),
    ("crash", "en", "tribune", 3, "Twelve pilgrims die in bus crash near Kessel", "The driver is said to have lost control in fog on the pass."),
    ("climb", "en", "herald", 6, "Two climbers found alive on Mount Kessel after five days", "They survived on snow and chocolate in a cave."),
    ("poll/1", "en", "herald", 4, "Exit polls put Marta Solano ahead in Sudria", "The mayor of the capital leads with 46 percent; a second round looks certain."),
    ("poll/1", "en", "wire", 2, "Solano leads Sudria's presidential vote, runoff likely", "With half the ballots counted, the mayor is at 45.8 percent."),
    ("poll/2", "en", "wire", 30, "Sudria's president Dario Paz says he will accept defeat", "It is the first time that an incumbent has said so before the vote."),
    ("prize", "en", "tribune", 7, "Poet Ama Darko wins the Lindgren prize", "The jury praised verse that 'listens before it speaks'."),
    ("prize", "en", "herald", 8, "Lindgren prize goes to Ghanaian poet Ama Darko", "She is the first African woman to be given the award, worth 500,000."),
    ("-", "en", "herald", 9, "Ten places to see the northern lights this winter", "From a bath in Lund to a train above the Arctic Circle."),
    ("-", "en", "tribune", 10, "How to sleep better this winter", "Seven habits that researchers agree on."),
    ("-", "en", "wire", 11, "Krona at ten-month high", "Traders expect more from Norland's bank."),
    ("-", "en", "tribune", 15, "In Norland, a village learns to live with wolves", "Shepherds, hunters and a school all have their own idea."),
    ("-", "en", "herald", 16, "Opinion: our railways need drivers, not slogans", "Albany's strike shows what a decade of savings costs."),
    ("-", "en", "wire", 18, "Sudria opens its first metro line", "The tunnel under the capital took fourteen years."),
    ("dique", "es", "diario", 3, "La rotura de un dique inunda el centro de Valdemar", "Los bomberos rescataron a más de 200 vecinos; no hay víctimas mortales."),
    ("dique", "es", "correo", 5, "Valdemar, bajo el agua tras romperse un dique", "Doscientas personas fueron rescatadas en barca durante la noche."),
    ("juicio/1", "es", "diario", 6, "El exalcalde Tomás Rueda, condenado a seis años por el caso Puerto", "La Audiencia considera probado que cobró comisiones por tres contratos."),
    ("juicio/1", "es", "correo", 7, "Seis años de cárcel para Rueda en el caso Puerto", "El que fuera alcalde de Valdemar anuncia que recurrirá la sentencia."),
    ("juicio/2", "es", "correo", 9, "La fiscal pide archivar el caso Mercado", "No ve delito en las obras de la plaza que dirigió la concejala Elena Prado."),
    ("vacuna", "es", "diario", 12, "Los contagios de gripe se duplican en una semana", "Los hospitales de Costa Norte suspenden las operaciones no urgentes."),
    ("vacuna/no", "es", "correo", 13, "La gripe obliga a cerrar cuatro colegios en Valdemar", "Faltaba la mitad de los profesores."),
    ("liga", "es", "diario", 8, "El Atlántico gana al Rayo Norte y es líder", "Dos goles de Quiroga en el segundo tiempo."),
    ("liga", "es", "correo", 8, "Quiroga lleva al Atlántico al liderato", "El delantero marcó los dos tantos ante el Rayo Norte."),
    ("bahn", "de", "bote", 2, "Zugunglück bei Talheim: Zahl der Toten steigt auf vier", "Zwei Regionalzüge waren am Morgen auf eingleisiger Strecke zusammengestoßen."),
    ("bahn", "de", "kurier", 4, "Vier Tote bei Zusammenstoß zweier Züge in Talheim", "Das Unglück geschah auf eingleisiger Strecke; die Ermittler prüfen ein Signal."),
    ("bahn/no", "de", "kurier", 9, "Bahn streicht Strecke nach Talheim bis zum Sommer", "Zwischen Auental und Talheim fahren Busse, weil Brücken erneuert werden."),
    ("werk", "de", "bote", 6, "Autobauer Kestrel schließt Werk in Auental", "1.800 Beschäftigte verlieren bis 2028 ihre Stelle."),
    ("werk", "de", "kurier", 7, "Kestrel macht Fabrik in Auental dicht, 1800 Arbeitsplätze fallen weg", "Die Gewerkschaft kündigt Widerstand an."),
    ("museu", "pt", "jornal", 5, "Incêndio destrói parte do museu de Vila Serena", "As chamas começaram no telhado; as coleções foram salvas pelos funcionários."),
    ("museu", "pt", "folha", 6, "Fogo no museu de Vila Serena: coleções estão a salvo", "O telhado desabou durante a madrugada."),
    ("museu/no", "pt", "folha", 20, "Vila Serena inaugura hospital com três anos de atraso", "O presidente da câmara pediu desculpa aos moradores."),
    ("greve", "fr", "dépêche", 4, "Grève des éboueurs à Montclair: le préfet réquisitionne", "Dix mille tonnes de déchets attendent dans les rues."),
    ("greve", "fr", "matin", 3, "Montclair: les éboueurs réquisitionnés après deux semaines de grève", "Le préfet invoque la santé publique."),
    ("maire", "fr", "matin", 8, "La maire de Montclair ne se représentera pas", "Claire Aubrac quitte la politique après trois mandats."),
]  # fmt: skip

# Written after the rule; all that was changed for it since is that two bare names are not enough. What to expect of a
# short day in which every other event has a double.
_SECOND: list[tuple[str, str, str, float, str, str]] = [
    ("dam", "en", "herald", 3, "Thousands evacuated as cracks appear in Selby dam", "Engineers are lowering the water level; the army has taken charge of the town of Marlow below it."),
    ("dam", "en", "wire", 4, "Marlow emptied over fears that dam will burst", "Some 7,000 residents were told to leave their homes during the night."),
    ("dam/no", "en", "tribune", 6, "Drought leaves Selby reservoir at its lowest in decades", "Farmers around Marlow may water only every third day."),
    ("trial", "en", "herald", 8, "Film producer Gus Hartley found guilty of fraud", "A jury took three days to convict him of cheating investors out of 60 million."),
    ("trial", "en", "wire", 9, "Hartley convicted in $60m film fraud case", "The producer of 'Tidewater' faces up to twenty years."),
    ("trial", "en", "tribune", 5, "What Gus Hartley’s conviction means for independent film", ""),
    ("trial/no", "en", "wire", 30, "Jury still out in Hartley trial", "Jurors asked to see the contracts of 'Tidewater' once more."),
    ("heat", "en", "herald", 2, "Hottest day ever measured in Ostrava region", "Thermometers in Velka showed 46.1 degrees; hospitals are full."),
    ("heat", "en", "tribune", 3, "Velka records 46.1C, a national record", "Doctors warn the elderly to stay at home as the heatwave goes on."),
    ("heat/no", "en", "wire", 4, "Heatwave: trains slowed across Ostrava as rails buckle", "Speeds are cut to 60 km/h until Friday."),
    ("plane", "en", "wire", 1, "Cargo plane skids off runway at Lindholm", "Both pilots are unhurt; the airport is shut."),
    ("plane", "en", "tribune", 2, "Lindholm airport closed after freight jet overshoots", "No one was injured when the aircraft left the runway in heavy rain."),
    ("plane/no", "en", "herald", 7, "Lindholm airport to get third runway", "The government overruled residents' objections."),
    ("treaty", "en", "herald", 12, "Fishing row ends as Norland and Sudria sign quota deal", "Each may catch 40,000 tonnes of cod in the disputed waters."),
    ("treaty", "en", "wire", 11, "Norland, Sudria settle cod dispute", "Patrol boats will be withdrawn under the agreement signed in Tarn."),
    ("treaty/no", "en", "tribune", 14, "Norland's president opens embassy in Sudria", "It is the first visit in a decade."),
    ("bank", "en", "herald", 5, "Regulators seize Union Coast Bank after run on deposits", "Customers will have access to their insured money on Monday."),
    ("bank", "en", "wire", 6, "Union Coast Bank fails as depositors flee", "The state takes over; shares of other lenders fell by a tenth."),
    ("bank", "en", "tribune", 4, "Bank shares tumble worldwide after Union Coast collapse", "Traders fear that other regional lenders hold the same bonds."),
    ("fossil", "en", "herald", 20, "Fossil of giant penguin found in Port Ellery quarry", "It stood as tall as a man, 30 million years ago."),
    ("fossil", "en", "tribune", 22, "Man-sized penguin once lived near Port Ellery", "Quarry workers came upon its bones in spring."),
    ("chess", "en", "wire", 9, "Ines Duarte, 15, becomes youngest chess grandmaster", "She beat two former champions in Tarn on the way."),
    ("chess", "en", "herald", 10, "At 15, Duarte is the world's youngest grandmaster", "The schoolgirl needed one more draw and won instead."),
    ("chess/no", "en", "tribune", 12, "Chess federation bans two masters for cheating", "Phones were found in the toilets at the Tarn tournament."),
    ("presi/1", "es", "diario", 2, "El Parlamento de Costa Norte elige a Irene Salas presidenta", "La candidata liberal obtuvo 71 votos en la segunda vuelta."),
    ("presi/1", "es", "correo", 3, "Irene Salas, investida presidenta de Costa Norte", "Los verdes se abstuvieron y permitieron su elección."),
    ("presi/2", "es", "diario", 7, "Salas anuncia un gobierno de diez consejerías", "La presidenta de Costa Norte reduce los cargos a la mitad."),
    ("tren", "es", "diario", 5, "Un tren de mercancías descarrila cerca de Valdemar", "La línea permanecerá cortada hasta el jueves."),
    ("tren", "es", "correo", 6, "Cortada la vía a Valdemar por el descarrilamiento de un mercante", "Doce vagones volcaron; no hay heridos."),
    ("sturm", "de", "bote", 3, "Sturm Lothar deckt Dächer in Auental ab", "Der Strom fiel in 12.000 Haushalten aus."),
    ("sturm", "de", "kurier", 4, "12.000 Haushalte nach Sturm in Auental ohne Strom", "Feuerwehren waren die ganze Nacht im Einsatz."),
    ("wahl", "de", "bote", 8, "Landtag wählt Petra Kohl zur Ministerpräsidentin", "Sie erhielt zwei Stimmen mehr, als ihre Koalition hat."),
    ("wahl", "de", "kurier", 9, "Petra Kohl ist neue Ministerpräsidentin", "Die Abgeordneten wählten sie im ersten Wahlgang."),
    ("-", "en", "herald", 1, "Seven soups for a cold evening", "From leek to lentil."),
    ("-", "en", "wire", 2, "The quiet return of the night train", "Sleeper cars are booked out until spring."),
    ("-", "en", "tribune", 3, "Norland's winter markets, ranked", "Mulled wine, wood smoke and one very old carousel."),
    ("-", "en", "herald", 9, "Opinion: regional banks need fewer rules, not more", "A lesson from a bad week."),
    ("-", "es", "diario", 9, "Diez rutas para pasear por Costa Norte", "Del faro a la laguna."),
    ("-", "de", "kurier", 12, "Wie Auental seinen Wald umbaut", "Eichen statt Fichten."),
]  # fmt: skip


def drafts(second: bool = False) -> list[ArticleDraft]:
    """The day's pieces, in the order of the table; or those of the second day."""
    return [draft for _, draft in _told(second)]


def same_event(second: bool = False) -> set[tuple[int, int]]:
    """The pairs (positions in ``drafts()``) that tell one event."""
    events = [event for event, _ in _told(second)]
    return {
        (one, two) for two, event in enumerate(events) for one in range(two) if event != "-" and events[one] == event
    }


def paper(draft: ArticleDraft) -> str:
    """Whose piece it is."""
    return draft.url.split("/")[2] if draft.url else ""


def _told(second: bool) -> Iterator[tuple[str, ArticleDraft]]:
    for event, language, paper, hours, title, standfirst in _SECOND if second else _TOLD:
        url = f"https://{paper.encode('idna').decode()}.example/{crc32(title.encode())}"
        yield (
            event,
            ArticleDraft(title, url, "", standfirst, language=language, published=NOW - timedelta(hours=hours)),
        )
