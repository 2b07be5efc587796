"""The standard texts, by template, channel and language: (subject, body). A tenant may put its own in their place."""

_CLOSE = {"en": "\n\n{{ seller }}\n", "de": "\n\n{{ seller }}\n"}
_HELLO = {
    "en": "Hello{% if name %} {{ name }}{% endif %},\n\n",
    "de": "Guten Tag{% if name %} {{ name }}{% endif %},\n\n",
}


def _mail(language: str, subject: str, body: str) -> tuple[str, str]:
    return subject, _HELLO[language] + body + _CLOSE[language]


_EMAIL: dict[str, dict[str, tuple[str, str]]] = {
    "receipt": {
        "en": _mail(
            "en",
            "Receipt from {{ seller }}{% if number %}: {{ number }}{% endif %}",
            "we received your payment of {{ amount }}"
            "{% if number %} for {{ number }}{% endif %} on {{ paid_at|date(zone) }}. Thank you."
            "{% if period_end %}\nYour subscription runs until {{ period_end|date(zone) }}.{% endif %}",
        ),
        "de": _mail(
            "de",
            "Zahlungsbeleg von {{ seller }}{% if number %}: {{ number }}{% endif %}",
            "wir haben Ihre Zahlung von {{ amount }}"
            "{% if number %} für {{ number }}{% endif %} am {{ paid_at|date(zone) }} erhalten. Vielen Dank."
            "{% if period_end %}\nIhr Abonnement läuft bis {{ period_end|date(zone) }}.{% endif %}",
        ),
    },
    "payment_recovered": {
        "en": _mail(
            "en",
            "Your payment to {{ seller }} went through",
            "your payment of {{ amount }}{% if number %} for {{ number }}{% endif %}, which had failed before, went "
            "through on {{ paid_at|date(zone) }}. There is nothing left for you to do.",
        ),
        "de": _mail(
            "de",
            "Ihre Zahlung an {{ seller }} ist angekommen",
            "Ihre Zahlung von {{ amount }}{% if number %} für {{ number }}{% endif %}, die zuvor fehlgeschlagen "
            "war, ist "
            "am {{ paid_at|date(zone) }} angekommen. Sie müssen nichts weiter tun.",
        ),
    },
    "payment_failed": {
        "en": _mail(
            "en",
            "Your payment to {{ seller }} failed",
            "your payment of {{ amount }}{% if number %} for {{ number }}{% endif %} could not be taken."
            "{% if next_attempt_at %}\nWe try again on {{ next_attempt_at|date(zone) }}.{% endif %}\n"
            "Please check your payment method."
            "{% if pay %}\n\nPay it here, or save another card: {{ pay }}{% endif %}",
        ),
        "de": _mail(
            "de",
            "Ihre Zahlung an {{ seller }} ist fehlgeschlagen",
            "Ihre Zahlung von {{ amount }}{% if number %} für {{ number }}{% endif %} konnte nicht eingezogen werden."
            "{% if next_attempt_at %}\nWir versuchen es am {{ next_attempt_at|date(zone) }} noch einmal.{% endif %}\n"
            "Bitte prüfen Sie Ihr Zahlungsmittel."
            "{% if pay %}\n\nHier zahlen Sie oder hinterlegen eine andere Karte: {{ pay }}{% endif %}",
        ),
    },
    "payment_overdue": {
        "en": _mail(
            "en",
            "Reminder: {% if number %}{{ number }} {% endif %}from {{ seller }} is overdue",
            "of your invoice{% if number %} {{ number }}{% endif %} {{ amount }} is overdue. Please pay it. If you "
            "have done so already, thank you."
            "{% if pay %}\n\nPay it here, or save another card: {{ pay }}{% endif %}",
        ),
        "de": _mail(
            "de",
            "Erinnerung: {% if number %}{{ number }} {% endif %}von {{ seller }} ist überfällig",
            "von Ihrer Rechnung{% if number %} {{ number }}{% endif %} sind {{ amount }} überfällig. Bitte zahlen Sie. "
            "Falls Sie das schon getan haben: vielen Dank."
            "{% if pay %}\n\nHier zahlen Sie oder hinterlegen eine andere Karte: {{ pay }}{% endif %}",
        ),
    },
    "payment_exhausted": {
        "en": _mail(
            "en",
            "Your payment to {{ seller }} is still open",
            "your payment of {{ amount }}{% if number %} for {{ number }}{% endif %} could not be taken, and we "
            "will not "
            "try again. Please pay it, or get in touch with us."
            "{% if pay %}\n\nPay it here, or save another card: {{ pay }}{% endif %}",
        ),
        "de": _mail(
            "de",
            "Ihre Zahlung an {{ seller }} ist noch offen",
            "Ihre Zahlung von {{ amount }}{% if number %} für {{ number }}{% endif %} konnte nicht eingezogen werden; "
            "wir versuchen es nicht noch einmal. Bitte zahlen Sie sie, oder wenden Sie sich an uns."
            "{% if pay %}\n\nHier zahlen Sie oder hinterlegen eine andere Karte: {{ pay }}{% endif %}",
        ),
    },
    "payment_action": {
        "en": _mail(
            "en",
            "Your bank asks you to confirm a payment to {{ seller }}",
            "your bank wants you to confirm the payment of {{ amount }}{% if number %} for {{ number }}{% endif %} "
            "before it is made. Please confirm it."
            "{% if pay %}\n\nPay it here, or save another card: {{ pay }}{% endif %}",
        ),
        "de": _mail(
            "de",
            "Ihre Bank bittet Sie, eine Zahlung an {{ seller }} zu bestätigen",
            "Ihre Bank möchte, dass Sie die Zahlung von {{ amount }}{% if number %} für {{ number }}{% endif %} "
            "bestätigen, bevor sie ausgeführt wird. Bitte bestätigen Sie sie."
            "{% if pay %}\n\nHier zahlen Sie oder hinterlegen eine andere Karte: {{ pay }}{% endif %}",
        ),
    },
    "refund": {
        "en": _mail("en", "Refund from {{ seller }}", "we have refunded {{ amount }} to your payment method."),
        "de": _mail(
            "de", "Erstattung von {{ seller }}", "wir haben Ihnen {{ amount }} auf Ihr Zahlungsmittel erstattet."
        ),
    },
    "invoice_ready": {
        "en": _mail(
            "en",
            "Invoice {% if number %}{{ number }} {% endif %}from {{ seller }}",
            "your invoice{% if number %} {{ number }}{% endif %} over {{ amount }} is ready."
            "{% if due_at %}\nIt is due on {{ due_at|date(zone) }}.{% endif %}"
            "{% if pay %}\n\nPay it here, or save another card: {{ pay }}{% endif %}",
        ),
        "de": _mail(
            "de",
            "Rechnung {% if number %}{{ number }} {% endif %}von {{ seller }}",
            "Ihre Rechnung{% if number %} {{ number }}{% endif %} über {{ amount }} liegt vor."
            "{% if due_at %}\nSie ist am {{ due_at|date(zone) }} fällig.{% endif %}"
            "{% if pay %}\n\nHier zahlen Sie oder hinterlegen eine andere Karte: {{ pay }}{% endif %}",
        ),
    },
    "credit_note": {
        "en": _mail(
            "en",
            "Credit note {% if number %}{{ number }} {% endif %}from {{ seller }}",
            "we have credited you {{ amount }}{% if invoice_number %} on invoice {{ invoice_number }}{% endif %}.",
        ),
        "de": _mail(
            "de",
            "Gutschrift {% if number %}{{ number }} {% endif %}von {{ seller }}",
            "wir haben Ihnen {{ amount }}{% if invoice_number %} zur Rechnung {{ invoice_number }}{% endif %} "
            "gutgeschrieben.",
        ),
    },
    "trial_ending": {
        "en": _mail(
            "en",
            "Your trial with {{ seller }} ends on {{ trial_end|date(zone) }}",
            "your trial{% if plan %} of {{ plan }}{% endif %} ends on {{ trial_end|date(zone) }}."
            "{% if amount %} After that it costs {{ amount }} a period, until you cancel.{% endif %}",
        ),
        "de": _mail(
            "de",
            "Ihre Testphase bei {{ seller }} endet am {{ trial_end|date(zone) }}",
            "Ihre Testphase{% if plan %} von {{ plan }}{% endif %} endet am {{ trial_end|date(zone) }}."
            "{% if amount %} Danach kostet sie {{ amount }} je Zeitraum, bis Sie kündigen.{% endif %}",
        ),
    },
    "subscription_canceled": {
        "en": _mail(
            "en",
            "Your subscription with {{ seller }} is canceled",
            "your subscription{% if plan %} to {{ plan }}{% endif %} ended on {{ ended_at|date(zone) }}.",
        ),
        "de": _mail(
            "de",
            "Ihr Abonnement bei {{ seller }} ist beendet",
            "Ihr Abonnement{% if plan %} von {{ plan }}{% endif %} ist am {{ ended_at|date(zone) }} ausgelaufen.",
        ),
    },
    "card_expiring": {
        "en": _mail(
            "en",
            "Your card expires soon",
            "the card{% if last4 %} ending in {{ last4 }}{% endif %} that you pay {{ seller }} with expires "
            "soon. Please "
            "save another one.",
        ),
        "de": _mail(
            "de",
            "Ihre Karte läuft bald ab",
            "die Karte{% if last4 %} mit der Endung {{ last4 }}{% endif %}, mit der Sie {{ seller }} bezahlen, läuft "
            "bald ab. Bitte hinterlegen Sie eine andere.",
        ),
    },
    "low_balance": {
        "en": _mail(
            "en",
            "Your credits with {{ seller }} run low",
            "{{ balance }} of your credits are left"
            "{% if threshold %}, less than the {{ threshold }} you wanted to be told at{% endif %}.",
        ),
        "de": _mail(
            "de",
            "Ihr Guthaben bei {{ seller }} geht zur Neige",
            "Ihr Guthaben beträgt noch {{ balance }}"
            "{% if threshold %}, weniger als {{ threshold }}, ab denen Sie es wissen wollten{% endif %}.",
        ),
    },
    "top_up_failed": {
        "en": _mail(
            "en",
            "Your credits with {{ seller }} could not be topped up",
            "your credits were to be topped up by themselves, and the payment failed."
            "{% if balance %} {{ balance }} are left.{% endif %} Please check your payment method.",
        ),
        "de": _mail(
            "de",
            "Ihr Guthaben bei {{ seller }} konnte nicht aufgeladen werden",
            "Ihr Guthaben sollte von selbst aufgeladen werden, und die Zahlung ist fehlgeschlagen."
            "{% if balance %} Es sind noch {{ balance }} übrig.{% endif %} Bitte prüfen Sie Ihr Zahlungsmittel.",
        ),
    },
    "dispute_opened": {
        "en": _mail(
            "en",
            "A payment of {{ amount }} is disputed",
            "a customer's bank disputes a payment of {{ amount }} to {{ seller }}. Answer it at your payment "
            "provider in "
            "time; {{ console }} shows the payment.",
        ),
        "de": _mail(
            "de",
            "Eine Zahlung von {{ amount }} wird bestritten",
            "die Bank eines Kunden bestreitet eine Zahlung von {{ amount }} an {{ seller }}. Antworten Sie rechtzeitig "
            "bei Ihrem Zahlungsdienst; {{ console }} zeigt die Zahlung.",
        ),
    },
    "sign_in_method_added": {
        "en": _mail(
            "en",
            "A way to sign in was added",
            "since {{ at|time }} UTC your account can be signed in to with {{ method }}. If that was not you, "
            "remove it "
            "at {{ console }} and change your password.",
        ),
        "de": _mail(
            "de",
            "Eine Anmeldung wurde hinzugefügt",
            "seit {{ at|time }} UTC kann man sich mit {{ method }} in Ihrem Konto anmelden. Waren Sie das nicht, "
            "entfernen Sie es unter {{ console }} und ändern Sie Ihr Passwort.",
        ),
    },
    "sign_in_method_removed": {
        "en": _mail(
            "en",
            "A way to sign in was removed",
            "since {{ at|time }} UTC your account cannot be signed in to with {{ method }} any more. If that was not "
            "you, change your password at {{ console }}.",
        ),
        "de": _mail(
            "de",
            "Eine Anmeldung wurde entfernt",
            "seit {{ at|time }} UTC kann man sich mit {{ method }} nicht mehr in Ihrem Konto anmelden. Waren Sie das "
            "nicht, ändern Sie Ihr Passwort unter {{ console }}.",
        ),
    },
    "password_changed": {
        "en": _mail(
            "en",
            "Your password was changed",
            "your password was changed at {{ at|time }} UTC. If that was not you, get in touch with {{ seller }} "
            "at once.",
        ),
        "de": _mail(
            "de",
            "Ihr Passwort wurde geändert",
            "Ihr Passwort wurde um {{ at|time }} UTC geändert. Waren Sie das nicht, wenden Sie sich sofort an "
            "{{ seller }}.",
        ),
    },
    "api_key_created": {
        "en": _mail(
            "en",
            "An API key was made for {{ seller }}",
            "the API key {{ prefix }}… was made at {{ at|time }} UTC. If nobody of you did, revoke it at {{ "
            "console }}.",
        ),
        "de": _mail(
            "de",
            "Ein API-Schlüssel für {{ seller }} wurde erstellt",
            "der API-Schlüssel {{ prefix }}… wurde um {{ at|time }} UTC erstellt. War das niemand von Ihnen, "
            "widerrufen "
            "Sie ihn unter {{ console }}.",
        ),
    },
    "invitation": {
        "en": _mail(
            "en",
            "You are invited to {{ seller }}",
            "you are invited to {{ seller }}, with the role {{ role }}."
            "{% if join %}\n\nAccept here until {{ expires_at|time }} UTC: {{ join }}{% endif %}\n\n"
            "If you know nothing of it, there is nothing for you to do.",
        ),
        "de": _mail(
            "de",
            "Sie sind zu {{ seller }} eingeladen",
            "Sie sind zu {{ seller }} eingeladen, mit der Rolle {{ role }}."
            "{% if join %}\n\nHier nehmen Sie bis {{ expires_at|time }} UTC an: {{ join }}{% endif %}\n\n"
            "Wissen Sie nichts davon, müssen Sie nichts tun.",
        ),
    },
    "webhook_disabled": {
        "en": _mail(
            "en",
            "A webhook endpoint was disabled",
            "the endpoint {{ endpoint }} of {{ seller }} has failed for days and gets no webhooks since {{ at|time }} "
            "UTC. Mend it, enable it again and replay what it missed.",
        ),
        "de": _mail(
            "de",
            "Ein Webhook-Endpunkt wurde abgeschaltet",
            "der Endpunkt {{ endpoint }} von {{ seller }} antwortet seit Tagen nicht richtig und bekommt seit "
            "{{ at|time }} UTC keine Webhooks mehr. Bringen Sie ihn in Ordnung, schalten Sie ihn wieder ein und holen "
            "Sie nach, was ihm fehlt.",
        ),
    },
}
_SMS: dict[str, dict[str, str]] = {
    "payment_failed": {
        "en": "{{ seller }}: your payment of {{ amount }} failed. Please check your payment method.",
        "de": "{{ seller }}: Ihre Zahlung von {{ amount }} ist fehlgeschlagen. Bitte prüfen Sie Ihr Zahlungsmittel.",
    },
    "payment_exhausted": {
        "en": "{{ seller }}: your payment of {{ amount }} is still open. Please pay it or get in touch.",
        "de": "{{ seller }}: Ihre Zahlung von {{ amount }} ist noch offen. Bitte zahlen Sie oder melden Sie sich.",
    },
    "payment_action": {
        "en": "{{ seller }}: your bank asks you to confirm a payment of {{ amount }}.",
        "de": "{{ seller }}: Ihre Bank bittet Sie, eine Zahlung von {{ amount }} zu bestätigen.",
    },
    "low_balance": {
        "en": "{{ seller }}: {{ balance }} of your credits are left.",
        "de": "{{ seller }}: Ihr Guthaben beträgt noch {{ balance }}.",
    },
    "top_up_failed": {
        "en": "{{ seller }}: your credits could not be topped up. Please check your payment method.",
        "de": "{{ seller }}: Ihr Guthaben konnte nicht aufgeladen werden. Bitte prüfen Sie Ihr Zahlungsmittel.",
    },
}


def find_standard(template: str, channel: str, language: str) -> tuple[str | None, str] | None:
    """Subject and body of the standard text; None where there is none in that language or for that channel."""
    if channel == "sms":
        body = _SMS.get(template, {}).get(language)
        return None if body is None else (None, body)
    return _EMAIL.get(template, {}).get(language)
