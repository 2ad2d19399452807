"""The texts: what people read in messages and in answers of the API, in each language.

One language is one folder. It holds a template for each part of a message, and a catalogue of the API's sentences:

    languages/
      layout.html.j2                       what surrounds every mail
      de/  code.sms.j2  code.html.j2  …    <message>.<part>.j2
           LC_MESSAGES/headgate.po, .mo    English sentence → German sentence

    a message of the API                            a mail, a text message or a call
    ────────────────────                            ────────────────────────────────
    Languages.asked_for(Accept-Language)            Texts.render(subject, language, values, medium=…)
      → a Language; its say("The code is wrong.")     → the templates of subject, language and medium, made into a Form
      → gettext → the sentence                        → Form.fill(username, code, …) → Text

The operator's `texts.folder` has the same structure as `languages/`. A file in it is used instead of ours, and a folder
in it adds a language.

    folders      which languages there are, and where
    catalogues   the sentences of the API               compile     writes the catalogues (`make languages`)
    messages     the messages                           templates   their templates, checked and filled
    browser      a browser's name from its User-Agent   sms_length  whether a text fits one text message
"""
