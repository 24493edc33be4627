"""Phrases that the assistant answers by itself."""

GREETING = [
    "[good|very good|a good] [morning|afternoon|evening|day] [to you|my friend|my dear|dear|]",
    "[oh|well|hey] [hello|hi|good morning|hey] [there|my friend|you|]",
    "[evening|morning|hallo|greetings|welcome|hello my friend|hello it is me|are you awake|hello test|testing testing]",
    "[hello|hi|hey|hiya|good morning|good afternoon|good evening|hello hello]",
    "[hello|hi|hey|good morning|good evening] [there|{assistant}|again]",
    "[hello|hi|hey] {assistant} [are you there|can you hear me]",
    "[hello is anybody there|are you there|can you hear me|hello can you hear me|is anyone there]",
]
HOW_ARE_YOU = [
    "how [have you been|is life|was your day|are you feeling] [today|this morning|]",
    "are you [doing well|doing okay|feeling well|happy] [today|]",
    "how are you [doing|today|doing today|]",
    "[hello|hi|hey] how are you [doing|today|]",
    "[hello|hi|hey] {assistant} how are you",
    "[how is it going|how do you do|how do you feel|how are things]",
    "[are you okay|are you well|are you alright|what is up]",
    "how is your day [going|]",
]
WHO_ARE_YOU = [
    "[no|so|okay|please|now] [tell me|say] [who you are|your name|what your name is]",
    "[what was|what is|tell me|say] your name [again|once more|]",
    "[who is speaking|may i ask who you are|what name do you have]",
    "[tell me who you are please|and who are you|who did i reach]",
    "[and|so|whats|what s|what|what was] your name [please|]",
    "[what is your name|who are you] [please|again|then|really]",
    "[who are you|what are you|who am i talking to|who is this|who is there|who am i speaking to]",
    "what is your name",
    "[tell me|say] your name",
    "[what do they call you|what should i call you|what can i call you|do you have a name|what was your name again]",
    "[are you a robot|are you a human|are you real|are you a person|are you a machine]",
]
CAPABILITIES = [
    "[what|which] [things|kind of things|tasks] [can you do|do you do|can i ask|do you know]",
    "[what can you help with|what are you good at|how do i use you|what are you for|what can you actually do]",
    "[so|and] what can [you do|i ask|i say|i ask you]",
    "[list|name] [the|all] things you can do",
    "i do not know what [you can do|to ask|to say|i can ask]",
    "what can you do [for me|]",
    "[what do you do|how can you help me|how can you help|what can i ask you|what can i ask|what can i say]",
    "[help|help me|i need help|can you help me|i need some help]",
    "what [are you able to do|do you know|are your skills|features do you have|else can you do]",
]
MY_NAME = [
    "{person} [here|speaking|is my name|is speaking|on the line]",
    "[hello|hi] [here is|it is me] {person}",
    "[my names|my name|the name is|you may call me|they call me|everybody calls me|you are talking to] {person}",
    "i am [your friend|the neighbour|the owner|your boss|your master] {person}",
    "[remember my name is|just call me|you should call me|my first name is] {person}",
    "[my name is|i am|call me|you can call me|this is|i am called|it is] {person}",
    "[hello|hi|hey] [my name is|i am|this is|it is] {person}",
    "[hello|hi] {assistant} [my name is|i am|this is] {person}",
    "[people call me|please call me|everyone calls me] {person}",
]
ASK_MY_NAME = [
    "[so|and] [what is my name|who am i]",
    "[do you know|can you tell me|tell me] [what my name is|who i am|my name]",
    "[what do they call me|what did i say i am called|you know my name|did i tell you my name]",
    "[what was|what is|do you know|you know|tell me] my name [again|]",
    "[what is my name|who am i|do you know my name|do you remember my name|what did i say my name was|say my name]",
    "[can you|do you] [remember who i am|know who i am|remember me]",
    "[tell me my name|what am i called|do you still know my name|what was my name|what is my name again]",
]
THANKS = [
    "[thank you kindly|thanks so much|thank you that helped|thanks that helped a lot|you are a great help|cheers]",
    "[oh|alright|all right|well] [thank you|thanks] [very much|a lot|that was great|that was helpful|]",
    "[thank you|thanks|many thanks|thanks a lot|thank you very much|thank you so much|great thank you|great thanks]",
    "[okay|perfect|great|very good|good|nice] [thank you|thanks] [{assistant}|]",
    "[that is very kind|that is nice of you|i appreciate it|well done|good job|you are great|that was helpful]",
    "[thank you|thanks] [{assistant}|for your help|for that]",
]
FEELING_GOOD = [
    "[i am fine|i am good|i am well|i am great|i am happy|very well|all good|not bad|i am okay] [thanks|thank you|]",
    "[i am doing well|i feel good|i had a good day|i am very well]",
]
FEELING_BAD = [
    "[i am tired|i am sad|not so good|i feel bad|i am not well|i am sick|i am bored|i am lonely|i am stressed]",
    "[i had a bad day|i feel lonely|i feel sad|i do not feel well|i am unhappy|i am very tired|i am so tired]",
]
YES = ["[yes|yeah|yep|sure|yes please|of course|okay yes|right|correct|that is right|exactly]"]
OKAY = ["[okay|ok|alright|all right|fine|good|great|cool|i see|perfect|very good|sounds good|nice|got it|understood]"]
NO = [
    "[no|nope|no thanks|no thank you|not now|not really|no that is all|nothing|nothing else|that is all|no i am good]"
]
REPEAT = [
    "[what was that|say it again|say this again|what did you just say|tell me again|repeat it please|i missed that]",
    "[would|could|can] you [please|] [say it again|say this again|tell me again|repeat it]",
    "[i could not|i can not|i did not] [hear|understand|follow|catch] [you|that|it]",
    "[sorry|pardon|excuse me|what|repeat that|say that again|come again|once more|again please|what did you say]",
    "[can|could] you [repeat that|say that again|repeat|repeat it]",
    "[i did not hear you|i did not hear that|i did not understand|i did not get that|sorry what|sorry say that again]",
    "please repeat [that|]",
]
STOP = [
    "[oh|okay|no|no no|please|hey|now] [stop|wait|quiet|enough|never mind|hold on|be quiet]",
    "[stop|wait|enough|quiet|never mind] [that|it|this|now|then|please|for a second|right there|about it]",
    "[forget about it|forget that|do not talk|no more talking|stop speaking|stop now please|that will do]",
    "[stop|stop it|stop talking|never mind|nevermind|wait|wait a moment|hold on|one moment|just a moment|hang on]",
    "[be quiet|quiet|shut up|enough|that is enough|okay stop|stop please|no stop|forget it|cancel|cancel that|pause]",
    "[silence|please stop|leave it|not that|wait wait|stop stop|no wait|hush|wait a second|wait a minute]",
]
GOODBYE = [
    "[hang up|put down|you can hang up|please put down] the phone [please|now|]",
    "[i am done|we are done|i am going|i am going now|i have to leave|i am finished] [bye|goodbye|thanks bye|]",
    "[you can go|you may go|that was all|that is it] [now|] [bye|goodbye]",
    "[bye|goodbye|good night] [for now|then|my dear|sleep well|and thanks|see you tomorrow]",
    "[goodbye|bye|bye bye|good night|see you|see you later|see you soon|talk to you later|farewell|see you tomorrow]",
    "[okay|thanks|thank you|great|alright] [bye|goodbye|good night|see you|bye bye]",
    "[hang up|you can hang up|you can hang up now|please hang up]",
    "[end the call|i have to go|i have to go now|i must go now]",
    "[that is all goodbye|thank you that is all goodbye|end call]",
    "[finish the call|no that is all bye|goodbye {assistant}]",
    "[bye|good night|goodbye] {assistant}",
]
STORY = [
    "[have you got|do you have|have you] [any|some|more|a few] [good|nice|new|] stories",
    "tell [me|us] [stories|some stories|one of your stories|something from a story|the longest story]",
    "[which|what] stories do you [know|have|tell]",
    "[tell|read|give] me a [very|really|nice|] long story",
    "[i like|i love|i want|i would like] [stories|to hear a story|a story|one more story]",
    "[let us hear|now] a story",
    "[can i hear|i would love|let me hear|i need|do you have] [a|another] [story|bedtime story|good story|nice story]",
    "[tell|read] us [a|another] [nice|funny|good|long|] story",
    "[tell|read|give] me [a|another|one more|a short|a long|a little|a bedtime] story",
    "tell me a story [please|about a {animal}|about the sea|about the garden|]",
    "[can|could] you tell [me|us] a [story|bedtime story]",
    "[i want to hear a story|story please|do you know a story]",
    "[a story please|tell a story|tell us a story|another story]",
]
ABOUT_YOU = [
    "[please|so|and|now] tell [me|us] [something|more|a bit|a little|] about [yourself|you]",
    "[i want to|i would like to] know [more|something|] about you",
    "tell me [about yourself|something about yourself|more about yourself|who you are|about you|more about you]",
    "[introduce yourself|describe yourself|can you introduce yourself|say something about yourself|what is her os]",
    "[where do you live|where are you|how do you work|how old are you|who made you|do you listen to me all the time]",
]
EXPLAIN = [
    "[explain|describe] what you can do",
    "[explain|tell me] [everything you can do|all you can do|what you can do|how i can use you|how you can help me]",
    "[explain how you work|tell me in detail what you can do|tell me more about what you can do|explain yourself]",
    "[give me a long explanation|tell me something long|keep talking|talk to me|say something|tell me something]",
]
JOKE = [
    "[do you have|i need|i want to hear|can i have] a joke",
    "[tell|give] us a [funny|good|new|] joke",
    "tell me a joke",
    "[do you know a joke|make me laugh|a joke please|say something funny|tell me another joke|joke]",
]
CONTINUE = [
    "[please|okay|and|yes|yes please|now|so] [go on|continue|carry on|keep going|keep talking|tell me the rest]",
    "[go on|continue|carry on|keep going|go ahead] [with it|with the story|telling|then|now|from there|where you were]",
    "[carry on|continue|keep going|more] please",
    "[and|so|] [what happened then|how does it end|how did it end|how does the story end|what happens next|what then]",
    "[tell me|i want to hear|let me hear|what is] the [rest|end|rest of it|rest of the story|end of the story]",
    "[go on|continue|carry on|please continue|keep going|and then|what happened next|go ahead|tell me more|more]",
]
ANIMALS = ["cat", "dog", "bird", "fox", "bear", "mouse", "rabbit", "horse", "dragon", "whale", "owl", "hedgehog"]
