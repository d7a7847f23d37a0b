"""What a gateway's own series may hide: names written alike or cut, places that another version had."""
