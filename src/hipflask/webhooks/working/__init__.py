"""What happens after the 2xx: workers, the story of one event, the outbox, trying again."""
