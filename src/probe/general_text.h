// Sentences of everyday English that no data set of pawl contains: how likely a model finds them
// shows what it lost besides the task.
#pragma once

namespace pawl {

inline constexpr const char* kGeneralText[] = {
    "The train to the coast was late again, so we walked along the river and talked.",
    "Water freezes at zero degrees and boils when it is heated long enough.",
    "She opened the letter slowly, because she already knew what it would say.",
    "A good map shows not only roads but also what lies between them.",
    "The old clock in the hall has not been wound since last winter.",
    "Bread smells best in the morning, when the street is still quiet.",
    "Most birds leave the valley before the first snow falls.",
    "If you listen carefully, you can hear the sea from the top of the hill.",
    "The library closes early on Fridays, but the reading room stays open.",
    "He repaired the bicycle with a piece of wire and a great deal of patience.",
    "Some plants turn their leaves towards the light during the day.",
    "The meeting ended without a decision, as everybody had expected.",
    "Our neighbours painted their door green and their fence white.",
    "Before there were cameras, travellers drew what they saw.",
    "The children built a small dam from stones and mud.",
    "It is easier to break a habit in a new place than in an old one.",
    "The lamp flickered twice and then went out.",
    "Every language has words that are hard to translate.",
    "They sold fruit, candles and second-hand books at the market.",
    "Iron rusts when air and water reach it.",
    "The doctor asked her to rest and to drink plenty of tea.",
    "Nobody remembers who first planted the trees along this road.",
    "A short answer is not always a clear one.",
    "In the evening the wind turned and brought the rain with it.",
};

}  // namespace pawl
