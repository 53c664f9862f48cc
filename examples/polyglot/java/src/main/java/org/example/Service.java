package org.example;

import org.apache.commons.codec.digest.DigestUtils;

public final class Service {
    public static void main(String[] arguments) {
        System.out.println("java: " + DigestUtils.sha256Hex("kept").substring(0, 12));
    }
}
