"""What the assistant says itself: small talk, refusals, and the longer answers that a caller can interrupt."""

CALL_GREETING = ["Hello, this is {name}. How can I help?"] * 3 + ["Hi, {name} here.", "Hi Master. Ready to serve."]
GREETING = [
    "Hello! How can I help you?",
    "Hi there! What can I do for you?",
    "Hello, nice to hear you. How can I help?",
]
HOW_ARE_YOU = ["I am very well, thank you. How are you?", "I feel great, thank you for asking. And you?"]
WHO_ARE_YOU = ["I am {name}, your voice assistant at home.", "My name is {name}. I am your voice assistant at home."]
CAPABILITIES = [
    "I can tell you the time and the date, set timers, find a phone number, do sums, and tell you a story.",
    "I can set timers, tell the time and the date, look up your contacts, do sums, and tell stories.",
]
MY_NAME = ["Nice to meet you, {person}.", "Hello {person}, nice to meet you."]
KNOWN_NAME = ["Your name is {person}."]
UNKNOWN_NAME = ["You have not told me your name yet."]
THANKS = ["You are welcome.", "You are welcome. I am happy to help."]
FEELING_GOOD = ["I am glad to hear that."]
FEELING_BAD = ["I am sorry to hear that. I am here if you need me."]
YES = ["Okay. What can I do for you?"]
OKAY = ["Okay. Is there anything else?"]
NO = ["Okay. I am here if you need me."]
STOP = ["Okay."]
GOODBYE = ["Goodbye."]
NOTHING_SAID = ["I have not said anything yet. How can I help you?"]
HOW_LONG = ["For how long should I set the timer?"]
WHOSE_NUMBER = ["Whose number do you need?"]
NOTHING_TO_CONTINUE = ["Okay. What would you like me to do?"]
REFUSAL = [
    "I cannot do that yet, but I can set a timer, tell the time, or do a sum.",
    "I cannot do that yet, sorry. I can help with timers, the time, sums and contacts.",
]
JOKES = [
    "Why was the clock sent home from school? It tocked too much.",
    "What do you call a timer that sings? A little alarming.",
    "Why did the phone wear glasses? It lost its contacts.",
]
ABOUT_YOU = [
    "I am {name}, and I live in this house, on a small computer of your own. "
    "You can call me from any phone at home, and I will answer. "
    "Nothing that you say to me leaves the house. "
    "I keep your timers, I know your contacts, and I can tell you the time. "
    "You may interrupt me at any moment, and I will be quiet at once. "
    "I am still quite young, so there is a lot that I have to learn."
]
EXPLAIN = [
    "Here is what I can do for you. "
    "First, I can tell you the time and the date. "
    "Second, I can set a timer, with a name if you like, and I can list or cancel your timers. "
    "Third, I can look up a person in your contacts and read you the number. "
    "I can also add, subtract, multiply and divide two numbers. "
    "When you want company, ask me for a story or a joke. "
    "And whenever I talk too long, just say stop."
]
STORIES = {
    "lighthouse": "Once upon a time, there was a little lighthouse at the end of the land. "
    "Every night it sent its light over the sea, and every ship said thank you with its horn. "
    "One evening a thick fog came, and no ship could see the light. "
    "So the lighthouse began to hum, very softly at first, and then louder. "
    "A small fishing boat heard the song and followed it home. "
    "Since that night the lighthouse sings whenever there is fog, and nobody gets lost anymore.",
    "cat": "There was once a grey cat who wanted to catch the moon. "
    "Each night she climbed a little higher, first the fence, then the roof, then the old oak tree. "
    "From the top of the tree the moon still looked far away. "
    "Then she saw it shining in a bowl of milk on the doorstep. "
    "She climbed down, drank the milk, and felt warm inside. "
    "And she slept very well, because now the moon was hers.",
    "garden": "In a quiet garden lived a seed that was afraid of the dark. "
    "The worm told it that everything good begins in the dark. "
    "So the seed waited, and listened to the rain above. "
    "One morning it felt brave and stretched one small green arm. "
    "Above the ground there was light, and wind, and a bee who said good morning. "
    "The seed became the tallest sunflower in the street, and it never forgot the worm.",
    "bear": "A young bear could not fall asleep for the winter. "
    "He counted the trees, and then the stars, and then the snowflakes, but nothing helped. "
    "His grandmother told him to count only the people he loved. "
    "He began with his mother, and his sister, and the old owl. "
    "Before he came to the tenth name, his eyes were closed. "
    "He slept until spring, and woke up very hungry.",
    "clock": "In a small shop there was a clock that always ran five minutes late. "
    "The other clocks laughed at it every single hour. "
    "One day a tired woman came in, and she had missed her train. "
    "She looked at the late clock, and it told her that she still had time. "
    "She ran to the station, and because the train was late too, she caught it. "
    "She came back to buy the clock, and it has been on time for her ever since.",
}
STORY_ABOUT = {"cat": "cat", "bear": "bear", "garden": "garden", "sea": "lighthouse"}
