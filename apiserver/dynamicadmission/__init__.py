"""Dynamic admission control: webhooks and admission policies that users register."""
