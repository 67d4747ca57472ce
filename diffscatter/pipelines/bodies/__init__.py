"""Bodies from one wide-angle pattern: how they are displayed, started, fitted and chosen."""
